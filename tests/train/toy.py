"""The smallest trainee: a line fitted to points, with batch normalisation and dropout in between.

`python -m tests.train.toy FOLDER [--resume] [--two] [--plain] [--slow]` trains it in its own process.
"""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fastavatar.train.run import run
from fastavatar.train.run_folder import RunSettings
from fastavatar.train.settings import Pace
from fastavatar.train.trainee import Batches, Process, Validation

EXAMPLES = 8
PACE = Pace(
    epochs=5,
    batch=1,
    learning_rates={"body": 0.01, "tail": 0.02},
    final_rate=0.5,
    plateau_factor=0.8,
    plateau_patience=1,
    clip=1.0,
    patience=0,
    log_every=1,
    save_every=4,
    validate_every=10,
    seed=3,
)


@dataclass(frozen=True)
class ToySettings:
    pace: Pace
    """The loop's part."""


class Toy:
    """Two modules; `body` has buffers and randomness unless `plain`."""

    def __init__(self, process: Process, pace: Pace = PACE, plain: bool = False, pause_s: float = 0) -> None:
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(3, 8), *([] if plain else [nn.BatchNorm1d(8), nn.Dropout(0.2)]))
        self.tail = nn.Linear(8, 1)
        self.modules: Mapping[str, nn.Module] = {"body": self.body, "tail": self.tail}
        self.examples = EXAMPLES
        generator = torch.Generator().manual_seed(1)
        self._x = torch.randn(EXAMPLES, 4, 3, generator=generator)
        self._batches = Batches(EXAMPLES, pace.batch, pace.seed, process)
        self._pause_s = pause_s

    def loss(self, step: int) -> Tensor:
        time.sleep(self._pause_s)
        x = self._x[self._batches[step]]
        found = self.tail(self.body(x.reshape(-1, 3)))[:, 0]
        loss: Tensor = (found - x.reshape(-1, 3).sum(1)).square().mean()
        return loss

    def figures(self) -> Mapping[str, float]:
        return {}

    def validate(self) -> Validation:
        error = float((self.tail(self.body.eval()(torch.ones(1, 3))) - 3).abs())
        self.body.train()
        return Validation({"error": error}, {"grey": np.full((8, 8, 3), 128, np.uint8)}, -error)

    def export(self, folder: Path) -> None:
        torch.save(self.tail.state_dict(), folder / "tail.pth")

    def facts(self) -> Mapping[str, Any]:
        return {"data": "random numbers", "terms": "none"}


def main(folder: str, *flags: str) -> None:
    batch = 2 if "--two" in flags else 1
    pace = Pace(**{**vars(PACE), "batch": batch})
    settings = RunSettings(Path(folder), ToySettings(pace), pace, resume="--resume" in flags)
    pause_s = 0.02 if "--slow" in flags else 0
    run(lambda process: Toy(process, pace, "--plain" in flags, pause_s), settings)


if __name__ == "__main__":
    main(*sys.argv[1:])
