"""Signals as a terminal sends them, also where the tests themselves run under nohup."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hangup_ends_processes() -> Iterator[None]:
    """Processes started in the block end on SIGHUP, even if this one was started to ignore it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
