"""MediaPipe, imported and run without its C++ log lines in the user's sight."""

import contextlib
import importlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import IO, Any

_STDERR = 2


class _Silence:
    """File descriptor 2 turned to a scratch file while anyone, on any thread, asks for silence."""

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
            with contextlib.suppress(OSError):  # a process may run without a stderr: then all is quiet
                self._kept = os.dup(_STDERR)
                self._scratch = tempfile.TemporaryFile()
                os.dup2(self._scratch.fileno(), _STDERR)

    def end(self, tell: bool) -> None:
        """Bring the descriptor back when nobody needs silence; `tell` passes on what was written."""
        with self._lock:
            self._askers -= 1
            if self._scratch is None or (self._askers and not tell):
                return
            if tell:
                self._scratch.seek(0)
                os.write(self._kept, self._scratch.read())
            if not self._askers:
                os.dup2(self._kept, _STDERR)
                os.close(self._kept)
                self._scratch.close()
                self._scratch = None


_silence = _Silence()


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send what native code writes to file descriptor 2 to a scratch file; an error brings it back.

    MediaPipe's graphs log through absl before Python can configure it, so the descriptor itself is turned,
    for the whole process: what other threads write there meanwhile is lost too.
    """
    _silence.begin()
    failed = False
    try:
        yield
    except Exception:
        failed = True
        raise
    finally:
        _silence.end(tell=failed)


def solutions() -> Any:
    """The `mediapipe.solutions` namespace, which ships its models inside the wheel."""
    with quiet_stderr(), _pyplot_when_used():
        import mediapipe

        return mediapipe.solutions


class _Pyplot(ModuleType):
    """Stands for `matplotlib.pyplot` until something of it is used."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module("matplotlib.pyplot"), name)


@contextlib.contextmanager
def _pyplot_when_used() -> Iterator[None]:
    """Spare the third of a second that MediaPipe's drawing helpers take to import what nobody here uses."""
    if {"mediapipe", "matplotlib"} & sys.modules.keys():
        yield
        return
    package, pyplot = ModuleType("matplotlib"), _Pyplot("matplotlib.pyplot")
    package.pyplot = pyplot  # type: ignore[attr-defined]
    stand_ins = {module.__name__: module for module in (package, pyplot)}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]
