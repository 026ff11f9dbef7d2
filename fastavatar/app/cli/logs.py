"""Logs on stderr, through `logging`."""

import logging
import sys
import warnings


class _Line(logging.Formatter):
    """Progress as it is; warnings and errors with their name before them."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and a traceback where the record has one."""
        text = super().format(record)
        return text if record.levelno < logging.WARNING else f"{record.levelname.lower()}: {text}"


def set_up_logs(quiet: bool = False, verbose: bool = False) -> None:
    """Send this package's logs to stderr: warnings with `quiet`, details with `verbose`, else progress."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line("%(message)s"))
    log = logging.getLogger("fastavatar")
    log.handlers[:] = [handler]
    log.propagate = False
    log.setLevel(logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO)
    if not verbose:
        warnings.simplefilter("ignore")  # those of libraries: nothing a user can act on
