"""The stages of a prediction: a listener hears when each begins, and its time is recorded at its end."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

log = logging.getLogger(__name__)

_listener: ContextVar[Callable[[str], None] | None] = ContextVar("listener", default=None)


@contextmanager
def stage(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Report `name` to the log and to the listener; record the block's wall-clock time in `seconds`."""
    log.info("%s …", name)
    if listener := _listener.get():
        listener(name)
    started = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - started
    log.debug("%s: %.3f s", name, seconds[name])


@contextmanager
def listening(listener: Callable[[str], None]) -> Iterator[None]:
    """Call `listener` with the name of every stage that this thread begins inside the block.

    To cancel the work, the listener raises an exception.
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
