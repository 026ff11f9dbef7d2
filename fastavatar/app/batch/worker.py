"""A process of its own that turns the photos it is sent into results: cores are not shared by one Python."""

import logging
import os
import signal
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from threading import Thread
from typing import TYPE_CHECKING

from fastavatar.app.batch.stages import work_off
from fastavatar.errors import FastAvatarError

if TYPE_CHECKING:
    from fastavatar.app.settings import Settings

AT_ONCE_ON_CUDA = 8
"""Photos that go through the networks together."""


@dataclass(frozen=True)
class Ready:
    """What a worker says when its model is loaded."""

    model: str
    reason: str
    """Why this model was taken."""
    at_once: int
    """How many photos go through the networks together."""
    gpus: int
    """How many GPUs could have a worker each; 0 where they work on the CPU."""


def work(connection: Connection, settings: "Settings", overwrite: bool, log_level: int) -> None:
    """Say `Ready`, then send a `Row` for every `Job` received until None comes; runs in its own process.

    Where the model cannot be loaded, the `FastAvatarError` is what is sent.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), signal.SIG_IGN)  # whoever started us decides when to end
    Thread(target=_end_with_parent, daemon=True).start()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("fastavatar").setLevel(log_level)
    _limit_libraries(settings.threads)
    try:
        from fastavatar.app.pipeline import Pipeline

        pipeline = Pipeline(settings)
    except FastAvatarError as error:
        connection.send(error)
        return
    gpus = _gpus(pipeline.device)
    at_once = AT_ONCE_ON_CUDA if gpus else 1
    connection.send(Ready(pipeline.model, pipeline.model_reason, at_once, gpus))
    work_off(pipeline, iter(connection.recv, None), connection.send, overwrite, at_once)


def _end_with_parent() -> None:
    """Where the parent is killed, stop at once: who resumes its run must not meet us."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _limit_libraries(threads: int | None) -> None:
    """Keep what numpy and scipy call to as many threads; they read these when they are imported."""
    if threads is not None:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(threads)


def _gpus(device: str) -> int:
    if not device.startswith("cuda"):
        return 0
    import torch

    return torch.cuda.device_count() if device == "cuda" else 1
