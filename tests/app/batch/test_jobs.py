"""One function over many items, in processes of this machine; `test_on_ray.py` runs it on a cluster."""

import os
import signal

import pytest

from fastavatar.app.batch import run_jobs
from fastavatar.errors import DeviceError, InputError


def halved(number: int) -> None:
    """Fails for odd numbers, and kills its process for 99."""
    if number == 99:
        os.kill(os.getpid(), signal.SIGKILL)
    if number % 2:
        raise InputError(f"{number} is odd")


@pytest.mark.parametrize("workers", [1, 2])
def test_every_item_is_reported_once_with_its_error(workers: int) -> None:
    ended = {item: error for item, error in run_jobs(halved, [1, 2, 3, 4], workers)}
    assert sorted(ended) == [1, 2, 3, 4]
    assert ended[2] is None and ended[4] is None
    assert str(ended[1]) == "1 is odd" and isinstance(ended[3], InputError)


def test_a_process_that_dies_ends_the_run_with_one_line() -> None:
    with pytest.raises(DeviceError, match="a worker process died"):
        list(run_jobs(halved, [99, 2], 2))


def test_stopping_early_leaves_the_rest_undone() -> None:
    done: list[int] = []
    jobs = run_jobs(done.append, [1, 2, 3], 1)
    next(jobs)
    jobs.close()  # type: ignore[attr-defined]
    assert done == [1]
