"""npm's `bittorrent-tracker` as a client, where Node.js is."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from interop.peers.program import DEADLINE_SECONDS, missing

PACKAGE = "bittorrent-tracker"
VERSION = "11.2.3"
# Kept from run to run; the benchmarks use the same.
FOLDER = Path(__file__).parents[3] / "build" / f"{PACKAGE}-{VERSION}"


def need_npm_client() -> Path:
    """Return the client's script, fetched if it was not yet.

    Without Node.js the test is skipped, in CI too: Debian's npm is hundreds of packages.
    """
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node or npm is not installed")
    module = FOLDER / "node_modules" / PACKAGE
    if not module.is_dir():
        FOLDER.mkdir(parents=True, exist_ok=True)
        # Not what is optional, for WebRTC, nor any program of a package.
        how = ["--no-audit", "--no-fund", "--omit=optional", "--ignore-scripts"]
        done = subprocess.run(
            ["npm", "install", *how, "--prefix", str(FOLDER), f"{PACKAGE}@{VERSION}"],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            missing(f"{PACKAGE}, which npm could not fetch ({done.stderr.strip()[-300:]}),")
    return module / "client.js"


def run_npm_client(url: str, info_hash: bytes, port: int, authority: Path) -> dict[str, Any]:
    """Have it join, scrape, complete and leave; return what it was told."""
    script = Path(__file__).with_suffix(".mjs")
    done = subprocess.run(
        ["node", str(script), str(need_npm_client()), url, info_hash.hex(), str(port)],
        env=os.environ | {"NODE_EXTRA_CA_CERTS": str(authority)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told
