import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, get_ident

import pytest
import torch

import fastavatar as fa
from fastavatar.rendering.threads import ahead, run_on_threads, side_by_side, thread_count
from tests.portraits import ROOT
from tests.rendering.scenes import random_gaussians, slanted_camera


def draw() -> torch.Tensor:
    return fa.render(random_gaussians(0, 500), slanted_camera(), threads=2).image


def test_all_of_many_threads_draw_the_same() -> None:
    expected = draw()
    with ThreadPoolExecutor(8) as pool:
        assert all(
            torch.equal(future.result(), expected) for future in [pool.submit(draw) for _ in range(24)]
        )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_forked_child_draws_the_same() -> None:
    """In a process of its own, as other libraries of the tests, such as Ray, do not survive a fork."""
    program = (
        "import os, sys; from tests.rendering.test_threads import draw\n"
        "expected = draw()\n"
        "child = os.fork()\n"
        "if child == 0: os._exit(0 if draw().equal(expected) else 3)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=60, check=False).returncode == 0


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no CPU affinity")
def test_follows_the_affinity() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert thread_count() == 1
        assert thread_count(5) == 5
    finally:
        os.sched_setaffinity(0, allowed)
    assert 1 <= thread_count() <= len(allowed)


def test_an_error_in_a_helper_is_raised() -> None:
    caller, together = get_ident(), Barrier(2)

    def fail_elsewhere() -> None:
        together.wait(60)
        if get_ident() != caller:
            raise ValueError("in a helper")

    with pytest.raises(ValueError, match="in a helper"):
        run_on_threads(fail_elsewhere, 2)


@pytest.mark.skipif(sys.platform != "linux", reason="libgomp is Linux's")
def test_torch_imported_first_does_not_spin_beside_the_renderer() -> None:
    """CPU time of an operation and the rest after it, which other processes do not change."""
    program = (
        "import torch, time; import fastavatar as fa\n"
        "from tests.rendering.scenes import random_gaussians, slanted_camera\n"
        "numbers = torch.zeros(1 << 18)\n"
        "def used():\n"
        "    start = time.process_time(); numbers.add_(1); time.sleep(0.03)\n"
        "    return time.process_time() - start\n"
        "torch.set_num_threads(2)\n"
        "before = min(used() for _ in range(5))\n"
        "fa.render(random_gaussians(0, 9), slanted_camera(), threads=2)\n"
        "print(before, min(used() for _ in range(5)))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    before, after = map(float, done.stdout.split())
    assert after < 0.002 and after < max(before, 0.0005)


def test_results_come_in_the_order_of_the_items() -> None:
    both = Barrier(2)

    def task(item: int) -> tuple[int, int]:
        both.wait(60)  # two at a time
        return item, get_ident()

    found = side_by_side(task, range(4)) if thread_count() > 1 else [(k, k) for k in range(4)]
    assert [item for item, _ in found] == [0, 1, 2, 3] and len({thread for _, thread in found}) == 2


def test_a_task_ahead_runs_meanwhile_and_its_error_reaches_the_caller() -> None:
    if thread_count() == 1:
        pytest.skip("the process has one thread")
    both = Barrier(2)
    result = ahead(lambda: both.wait(60))
    both.wait(60)  # returns only if the task runs
    assert result() in (0, 1)

    def fail() -> None:
        raise ValueError("in a task")

    with pytest.raises(ValueError, match="in a task"):
        ahead(fail)()
    with pytest.raises(ValueError, match="in a task"):
        side_by_side(lambda _: fail(), range(3))


def test_on_one_thread_the_caller_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastavatar.rendering.threads._limit", 1)
    assert ahead(get_ident)() == get_ident()
    assert set(side_by_side(lambda _: get_ident(), range(3))) == {get_ident()}
