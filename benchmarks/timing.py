"""Timing on a machine that is shared with other work."""

import time
from collections.abc import Callable
from statistics import median


def milliseconds(task: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Best and median milliseconds of `repeats` runs, after one that is not counted."""
    task()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        task()
        taken.append(1e3 * (time.perf_counter() - start))
    return min(taken), median(taken)
