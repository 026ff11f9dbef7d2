"""What every network here that can be trained offers to the loop in `run`, and who runs that loop."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from fastavatar.optimise import ExampleOrder


@dataclass(frozen=True)
class Process:
    """One of the processes that train together; each has its own part of every batch."""

    rank: int = 0
    """Its number, from 0; number 0 writes the files."""
    count: int = 1
    """How many there are."""
    device: str = "cpu"
    """`cpu` or `cuda:N`."""
    check: bool = False
    """Whether it is only to be seen that the run would start: a validation of one person is enough."""

    @property
    def first(self) -> bool:
        """Whether this process writes files, logs and checkpoints."""
        return self.rank == 0


@dataclass(frozen=True)
class Validation:
    """How good the network is on people that it was not trained on."""

    figures: Mapping[str, float]
    """Figures by name, such as `psnr`."""
    pictures: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    """Pictures (H, W, 3) by a name that is valid as a file name, such as truth and render side by side."""
    score: float | None = None
    """The figure that decides about early stopping, higher is better; None never stops a run."""


class Trainee(Protocol):
    """A network in training. Its randomness comes from torch's default generator, which `run` seeds by step.

    `run` calls a function that makes a trainee for a `Process`, whose device its tensors are on.
    """

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """The modules in training by the names that learning rates are given to; names have no dot.

        Their parameters that require gradients are trained; a checkpoint holds these and all buffers.
        """

    @property
    def examples(self) -> int:
        """Number of training examples, which make an epoch."""

    def loss(self, step: int) -> Tensor:
        """() mean loss of this process's part of the batch of a step, counted from 0; see `Batches`."""

    def figures(self) -> Mapping[str, float]:
        """Further figures of the last step, for the log and the bar."""

    def validate(self) -> Validation:
        """Figures and pictures of people held out, without gradients; leaves the modules in training mode.

        Only the first process calls it.
        """

    def export(self, folder: Path) -> None:
        """Write the trained model's files into `folder`, which exists, whole or not at all."""

    def facts(self) -> Mapping[str, Any]:
        """What `summary.json` says: JSON-ready, with `data` (what it was trained on) and its `terms`."""


class Batches:
    """Which examples a process takes at a step: all processes together visit each example once an epoch.

    Two processes with batches of one take the same examples at a step as one process with a batch of two.
    """

    def __init__(self, examples: int, batch: int, seed: int, process: Process) -> None:
        """`batch` is the number of examples a step and process."""
        self._order = ExampleOrder(examples, seed)
        self._batch, self._process = batch, process

    def __getitem__(self, step: int) -> list[int]:
        """Indices of the examples of this process at `step`, from 0."""
        first = (step * self._process.count + self._process.rank) * self._batch
        return [self._order[first + place] for place in range(self._batch)]
