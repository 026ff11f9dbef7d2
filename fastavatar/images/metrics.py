"""Keeps MediaPipe from sending usage metrics to Google, for which it has no setting."""

import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import Iterator

_NO_WAY_OUT = {"https_proxy": "off://metrics", "no_proxy": "none.invalid"}
"""A proxy of no known kind, and the only host without it, so that a wider `NO_PROXY` does not count."""

_lock = threading.Lock()
_blocks = 0


@contextlib.contextmanager
def without_metrics() -> Iterator[None]:
    """Let no metrics leave while tasks of MediaPipe are created, used and closed.

    MediaPipe posts metrics by a libcurl inside it, at the latest when a task is closed. That reads the proxy
    from the environment of the process each time, and with this one it gives up before it resolves a name or
    opens a connection. `os.environ` keeps what it holds, so downloads by Python on other threads use the
    proxies they always used. Programs started by other threads meanwhile do inherit this proxy.
    """
    global _blocks
    with _lock:
        _blocks += 1
        if _blocks == 1:
            _set_in_process(_NO_WAY_OUT)
    try:
        yield
    finally:
        with _lock:
            _blocks -= 1
            if _blocks == 0:
                _set_in_process({name: os.environ.get(name) for name in _NO_WAY_OUT})


def _set_in_process(values: dict[str, str] | dict[str, str | None]) -> None:
    """Set or, with None, remove variables for the code of the process that is not Python."""
    for name, value in values.items():
        if sys.platform == "win32":
            ctypes.windll.kernel32.SetEnvironmentVariableW(name, value)
        elif value is None:
            ctypes.CDLL(None).unsetenv(os.fsencode(name))
        else:
            ctypes.CDLL(None).setenv(os.fsencode(name), os.fsencode(value), 1)
