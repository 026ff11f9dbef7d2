"""Signals as a terminal sends them, also where the tests run under nohup or in a script's background."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

IGNORED_BY_SOME = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
"""nohup ignores the first, and a shell without job control ignores the others for what it starts with `&`."""


@contextmanager
def signals_end_processes() -> Iterator[None]:
    """Processes started in the block end on these signals, even if this one was started to ignore them."""
    ignored = [number for number in IGNORED_BY_SOME if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
