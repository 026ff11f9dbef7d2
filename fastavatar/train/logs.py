"""The log of a run: JSON lines, pictures, and TensorBoard's files where that is installed.

log.jsonl    {"step": 100, "loss": 0.031, "steps_per_second": 12.4, …} and {"step": 500, "validation": {…}}
events.out.* the same for TensorBoard
validation/000500-NAME.png
"""

import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from fastavatar.optimise import Progress
from fastavatar.system import replacing
from fastavatar.train import Validation

log = logging.getLogger(__name__)

LOG = "log.jsonl"


class RunLog:
    """Writes what happens in a run to its folder; a run that continues drops what came after its start."""

    def __init__(self, folder: Path, every: int) -> None:
        """`every` is the number of steps between two lines."""
        self._folder, self._every = folder, every
        self._board: Any = None
        self._losses: list[float] = []
        self._since = time.perf_counter()
        self._begun = False

    def step(self, progress: Progress) -> None:
        """Take note of a step; writes a line when one is due, with the mean loss since the last."""
        if not self._begun:
            self._begin(progress.step)
        self._losses.append(progress.loss)
        if progress.step % self._every and progress.step != progress.steps:
            return
        now = time.perf_counter()
        figures = {
            "loss": sum(self._losses) / len(self._losses),
            "steps_per_second": round(len(self._losses) / (now - self._since), 3),
            **progress.figures,
        }
        self._losses, self._since = [], now
        self._write({"step": progress.step, **figures})
        self._show(figures, "", progress.step)

    def validation(self, step: int, found: Validation) -> None:
        """Take note of a validation after `step` steps; writes its pictures."""
        self._write({"step": step, "validation": dict(found.figures)})
        self._show(found.figures, "validation/", step)
        for name, pixels in found.pictures.items():
            path = self._folder / "validation" / f"{step:06d}-{name}.png"
            with replacing(path) as partial:
                Image.fromarray(pixels).save(partial, "png")
            if self._board is not None:
                self._board.add_image(f"validation/{name}", pixels, step, dataformats="HWC")
        said = ", ".join(f"{name} {value:.4g}" for name, value in found.figures.items())
        log.info("step %d, people held out: %s", step, said)

    def close(self) -> None:
        """Write what TensorBoard's writer still holds."""
        if self._board is not None:
            self._board.close()

    def _begin(self, first: int) -> None:
        """Keep the lines before step `first`, with which this run begins or continues."""
        self._begun = True
        path = self._folder / LOG
        if path.exists():
            lines = path.read_text("utf-8").splitlines(keepends=True)
            with replacing(path) as partial:
                partial.write_text("".join(line for line in lines if _step_of(line) < first), "utf-8")
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            log.info("no logs for TensorBoard: it comes with `pip install '.[train]'`")
            return
        # `purge_step` hides what a killed run has logged after the checkpoint
        self._board = SummaryWriter(str(self._folder), purge_step=first)

    def _write(self, line: Mapping[str, Any]) -> None:
        with (self._folder / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _show(self, figures: Mapping[str, float], prefix: str, step: int) -> None:
        if self._board is not None:
            for name, value in figures.items():
                self._board.add_scalar(prefix + name, value, step)


def _step_of(line: str) -> int:
    """The step of a line of the log; a line that a kill has cut off belongs to no kept step."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return 1 << 62
