import multiprocessing
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from threading import Barrier, get_ident

import pytest
import torch

import fastavatar as fa
from fastavatar.rendering.threads import run_on_threads, thread_count
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
    expected = draw()
    receiving, sending = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=send_picture, args=(sending,))
    child.start()
    assert receiving.poll(60), "the child hangs"
    assert receiving.recv() == expected.flatten().tolist()
    child.join()


def send_picture(sending: Connection) -> None:
    sending.send(draw().flatten().tolist())


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
