"""The stages of a prediction: told as they begin, timed when they end."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


@contextmanager
def stage(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Log `name` and note in `seconds` how long the block takes, wall-clock."""
    log.info("%s …", name)
    started = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - started
    log.debug("%s: %.3f s", name, seconds[name])
