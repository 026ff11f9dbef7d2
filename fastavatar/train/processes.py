"""Several processes that train one network together, started by `torchrun`: torch's DistributedDataParallel.

Each process computes the gradients of its part of the batch; torch averages them while `backward` runs, so
that all processes take the same step.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch import distributed as dist

from fastavatar.errors import UsageError
from fastavatar.models import require_device
from fastavatar.train import Process, Trainee


@contextmanager
def joined(device: str) -> Iterator[Process]:
    """This process among those that `torchrun` started, or alone; connected while the block runs.

    On `cuda` each process of a machine takes a card of its own. Raises `DeviceError` where there is none.
    """
    count, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    if count == 1:
        require_device(device, draws=True)
        yield Process(device=device)
        return
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    elif device.startswith("cuda:"):
        raise UsageError(f"{count} processes cannot share {device}: choose cuda, and each takes its own")
    require_device(device, draws=True)
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    if rank > 0:  # the first process says what all have to say
        logging.getLogger("fastavatar").setLevel(logging.ERROR)
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield Process(rank, count, device)
    finally:
        dist.destroy_process_group()


def mean_of_all(value: Tensor, process: Process) -> Tensor:
    """() mean of a number over all processes, the same in each."""
    if process.count == 1:
        return value
    total = value.clone()
    dist.all_reduce(total)
    return total / process.count


def from_the_first(value: float, process: Process) -> float:
    """The first process's `value`, in every process."""
    if process.count == 1:
        return value
    sent = torch.tensor(value, dtype=torch.float64, device=process.device)
    dist.broadcast(sent, src=0)
    return float(sent)


class _Step(nn.Module):
    """A trainee's loss as the `forward` of a module, which is what torch's wrapper watches."""

    def __init__(self, trainee: Trainee) -> None:
        super().__init__()
        self.trained = nn.ModuleDict(dict(trainee.modules))
        self._loss = trainee.loss

    def forward(self, step: int) -> Tensor:
        return self._loss(step)


class SharedLoss:
    """The loss of a trainee, whose `backward` averages the gradients over all processes."""

    def __init__(self, trainee: Trainee, process: Process) -> None:
        self._step: nn.Module = _Step(trainee)
        self._process = process
        self._wrapped = process.count == 1

    def __call__(self, step: int) -> Tensor:
        """() loss of this process's part of the batch of `step`."""
        if not self._wrapped:
            # Not before the first step: by then it is settled which parameters require gradients
            wrap = nn.parallel.DistributedDataParallel
            # Statistics of batch normalisation are the first process's own
            self._step = wrap(self._step, find_unused_parameters=True)
            self._wrapped = True
        loss: Tensor = self._step(step)
        return loss
