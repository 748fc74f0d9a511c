"""What a command cannot do, said in one line."""


class CommandError(Exception):
    """Ends the command: one line for a person, an `error` event for a script, an exit code."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Interrupted(CommandError):
    """The person at the keyboard ended it (^C, or SIGTERM)."""

    def __init__(self, message: str = "interrupted") -> None:
        super().__init__(message, 130)


def describe(error: BaseException) -> str:
    """Say in one line what went wrong and where, for errors of the system and of ours."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__
