"""What reaches the terminal: logs on stderr through `logging`, and standard streams that can be used."""

import codecs
import io
import logging
import os
import re
import sys
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import click

from fastavatar.errors import FastAvatarError

MAX_MESSAGE_LENGTH = 1000
"""A longer message loses its middle: names of the longest paths fit, a damaged file's content does not."""

_UNSHOWABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories of control, format and line characters, surrogates, and unassigned codes."""

HINTS = (
    (r"^the photo does not state its focal length", "--focal_px", "--focal_px sets it"),
    (r"^the photo shows \d+ faces: the largest", "--face", "--face N uses another"),
    (r"^model facemesh: .*choosing the model fastavatar fetches", "--model", "--model fastavatar"),
)
"""Pattern of a message of the library, which names no flags; the flag that helps; the hint with it."""


class _Line(logging.Formatter):
    """Formats progress as it is, warnings and errors with their level in front, tracebacks below."""

    def __init__(self, limit: int | None) -> None:
        super().__init__("%(message)s")
        self._limit = limit

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the name is logging's
        """The message, with a hint at the flag that helps, on one line that a terminal can show."""
        text = one_line(with_hint(super().formatMessage(record)), self._limit)
        return text if record.levelno < logging.WARNING else f"{record.levelname.lower()}: {text}"


def set_up_logs(quiet: bool = False, verbose: bool = False) -> None:
    """Send this package's logs to stderr: warnings with `quiet`, details with `verbose`, else progress."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line(None if verbose else MAX_MESSAGE_LENGTH))
    log = logging.getLogger("fastavatar")
    log.handlers[:] = [handler]
    log.propagate = False
    log.setLevel(logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO)
    if not verbose:
        warnings.simplefilter("ignore")  # those of libraries: nothing a user can act on


def with_hint(message: str) -> str:
    """The message, followed by the hint for it where the running command has the flag.

    Other threads than the command's, such as those of the web server's jobs, have no running command.
    """
    context = click.get_current_context(silent=True)
    if context is None:
        return message
    flags = {flag for option in context.command.params for flag in option.opts}
    for pattern, flag, hint in HINTS:
        if flag in flags and re.search(pattern, message):
            return f"{message} ({hint})"
    return message


def one_line(text: str, limit: int | None = MAX_MESSAGE_LENGTH) -> str:
    r"""`text` without characters that break a line or steer a terminal, cut in its middle beyond `limit`.

    Names of files may hold any of them. They show as `\n`, `\x1b` or `\u202e`, other bytes as `\xff`.
    """
    shown = "".join(_escaped(char) if unicodedata.category(char) in _UNSHOWABLE else char for char in text)
    if limit is None or len(shown) <= limit:
        return shown
    head, tail = limit * 2 // 3, limit // 4
    return f"{shown[:head]} … {len(shown) - head - tail} characters … {shown[-tail:]}"


def _escaped(char: str) -> str:
    if "\udc80" <= char <= "\udcff":  # Python's stand-in for a byte that the locale cannot read (PEP 383)
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()


class _Output(io.TextIOWrapper):
    """Standard output whose errors say that it is standard output that could not be written."""

    def write(self, text: str) -> int:
        """Write `text`; raises `FastAvatarError` where a file would raise `OSError`."""
        with _refusal_named():
            return super().write(text)

    def flush(self) -> None:
        """Write what is held; raises as `write` does."""
        with _refusal_named():
            super().flush()


@contextmanager
def _refusal_named() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:  # the reader of the output has ended: no problem to report
        raise
    except OSError as error:
        _abandon(1)
        reason = (error.strerror or str(error)).lower()
        raise FastAvatarError(f"cannot write to standard output: {reason}") from error


def open_streams() -> None:
    """Give this process standard streams that can be used, however it was started.

    A closed one is opened. Otherwise the first file opened would become descriptor 2, and messages of
    libraries would be written into it.
    Messages to a closed stderr are lost; output to a closed stdout fails, as output to a full disk does.
    """
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # the lowest free number, which is this one
    if sys.stderr is None:
        sys.stderr = open(2, "w", errors="backslashreplace", closefd=False)
    plain = sys.stdout or open(1, "w", closefd=False)
    if isinstance(plain, io.TextIOWrapper):
        encoding, line_buffering = plain.encoding, plain.line_buffering
        # names that the locale cannot encode are printed too, as their own bytes where that is possible
        errors = "surrogateescape" if codecs.lookup(encoding).name == "utf-8" else "backslashreplace"
        sys.stdout = _Output(plain.detach(), encoding, errors, line_buffering=line_buffering)


def close_streams() -> None:
    """Leave nothing unwritten on stderr, which would change the exit code when Python ends."""
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        _abandon(2)


def _abandon(number: int) -> None:
    """Discard what a stream still holds: point its descriptor at the null device."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
