"""Runs native code without its log lines on the user's terminal."""

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import IO

_STDERR = 2


class _Silence:
    """File descriptor 2 redirected to a scratch file as long as any thread asks for silence."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._askers = 0
        self._kept = -1
        self._scratch: IO[bytes] | None = None

    def begin(self) -> None:
        with self._lock:
            self._askers += 1
            if self._askers > 1:
                return
            if sys.stderr is not None:
                sys.stderr.flush()
            with contextlib.suppress(OSError):  # without a stderr there is nothing to redirect
                self._kept = os.dup(_STDERR)
                self._scratch = tempfile.TemporaryFile()
                os.dup2(self._scratch.fileno(), _STDERR)

    def end(self, show: bool) -> None:
        """Restore the descriptor after the last thread; with `show`, write out the text held back so far."""
        with self._lock:
            self._askers -= 1
            if self._scratch is None or (self._askers and not show):
                return
            if show:
                self._scratch.seek(0)
                os.write(self._kept, self._scratch.read())
            if not self._askers:
                os.dup2(self._kept, _STDERR)
                os.close(self._kept)
                self._scratch.close()
                self._scratch = None


_silence = _Silence()


@contextlib.contextmanager
def quiet_stderr(show_after_error: bool = True) -> Iterator[None]:
    """Hold back output of native code to file descriptor 2; show it if the block raises an error.

    Native libraries bypass Python's logging, so the descriptor itself is redirected, for the whole process:
    output of other threads to it is held back, too.
    """
    _silence.begin()
    failed = False
    try:
        yield
    except Exception:
        failed = True
        raise
    finally:
        _silence.end(show=failed and show_after_error)
