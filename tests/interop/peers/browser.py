"""Chromium without a window, by its own driver. It asks nothing of the network."""

from pathlib import Path
from typing import Any

from interop.peers.program import missing, need

try:
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service
except ImportError:
    Chrome = None

ARGUMENTS = (
    "--headless",
    # Its sandbox wants rights that containers do not give; it sees no page but ours.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    # Nothing but this machine is found or reached, whatever else it would ask.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--proxy-server=direct://",
)
# A phone's window, in CSS pixels.
PHONE = (390, 844)
DESK = (1280, 800)


class Browser:
    """One page at a time. `driver` is selenium's."""

    def __init__(self, folder: Path) -> None:
        if Chrome is None:
            missing("selenium")
        options = ChromeOptions()
        options.binary_location = need("chromium")
        for argument in (*ARGUMENTS, f"--user-data-dir={folder / 'profile'}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = Chrome(options, Service(need("chromedriver")))

    def show(self, width: int, height: int, *, dark: bool = False) -> None:
        """Have a window of a size, in CSS pixels, in the light or the dark scheme."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def run(self, script: str) -> Any:
        """Return what a script in the page returns."""
        return self.driver.execute_script(script)

    def table(self) -> list[list[str]]:
        """Return the texts of the cells, a list for each row of the table's body."""
        cells = "row => Array.from(row.cells, cell => cell.innerText.trim())"
        rows = f"Array.from(document.querySelectorAll('tbody tr'), {cells})"
        found: list[list[str]] = self.run(f"return {rows}")
        return found

    def click(self, text: str) -> None:
        """Click the link of a text."""
        self.driver.find_element("link text", text).click()

    def complaints(self) -> list[str]:
        """Return what the browser's console has been told since the last time."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def screenshot(self, path: Path) -> bytes:
        """Take a picture, a PNG, of the window."""
        picture = self.driver.get_screenshot_as_png()
        path.write_bytes(picture)
        return picture

    def close(self) -> None:
        self.driver.quit()
