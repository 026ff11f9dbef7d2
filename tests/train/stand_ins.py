"""People for tests of training, ellipsoids of different colours and shapes, and a decoder of their size.

`python -m tests.train.stand_ins DATA FOLDER [--resume] [--two] [--slow]` trains that decoder.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from plyfile import PlyData, PlyElement
from torch import Tensor

from fastavatar.core import Gaussians
from fastavatar.losses import LossWeights
from fastavatar.rendering import render
from fastavatar.train.data import DataSettings
from fastavatar.train.decoder import DecoderTrainee, make_decoder_trainee
from fastavatar.train.decoder_settings import DecoderSettings, NetworkSettings
from fastavatar.train.run import run
from fastavatar.train.run_folder import RunSettings
from fastavatar.train.settings import Pace
from fastavatar.train.trainee import Process
from tests.synthetic_capture import frame_entry, make_cameras, make_head, save_picture, write_transforms

POINTS = 60
STEPS = 30
PACE = Pace(
    epochs=100,
    batch=1,
    learning_rates={"decoder": 5e-3, "latents": 0.05},
    final_rate=0.5,
    plateau_factor=1.0,
    plateau_patience=0,
    clip=1.0,
    patience=0,
    log_every=1,
    save_every=5,
    validate_every=30,
    seed=0,
)
DATA = DataSettings(
    points=POINTS,
    max_side_px=32,
    timesteps=1,
    held_out_people=1,
    held_out_views=1,
    readers=2,
    cache_megabytes=10,
)
SETTINGS = DecoderSettings(
    pace=PACE,
    data=DATA,
    network=NetworkSettings(
        sh_degree=1,
        w=16,
        w_deviation=0.3,
        embedding=8,
        embedding_kind="learnt",
        body=(24, 24),
        head=16,
        hidden_gain=1.0,
    ),
    views_together=2,
    loss=LossWeights(l1=0.7, ssim=0.3),
    offset_penalty=0.0,
    scale_penalty=0.0,
    compositing="classic",
    train_mean_head=True,
    fit_steps=4,
)


def write_person(folder: Path, seed: int) -> Gaussians:
    """A capture of an ellipsoid whose shape and colour follow the seed."""
    draw = np.random.default_rng(seed)
    head = make_head()
    stretch = torch.tensor(draw.uniform(0.85, 1.15, 3), dtype=torch.float32)
    tint = torch.tensor(draw.uniform(-1, 1, 3), dtype=torch.float32)
    head = replace(head, means=head.means * stretch, sh=head.sh + tint)
    frames = []
    for index, camera in enumerate(make_cameras()):
        name = f"{index:02d}"
        shown = render(head, camera)
        save_picture(shown.image, folder / "images" / f"{name}.png")
        save_picture(shown.alpha, folder / "fg_masks" / f"{name}.png")
        frames.append(frame_entry(camera, name))
    write_transforms(folder, frames)
    rows = np.array([tuple(mean) for mean in head.means.tolist()], dtype=[(axis, "f4") for axis in "xyz"])
    PlyData([PlyElement.describe(rows, "vertex")]).write(str(folder / "points3d.ply"))
    return head


def write_people(folder: Path, count: int = 4) -> Path:
    """That many captures in `folder`."""
    for number in range(count):
        write_person(folder / f"{number:04d}", number)
    return folder


def run_settings(folder: Path, settings: DecoderSettings = SETTINGS, **more: Any) -> RunSettings:
    """A run of `STEPS` steps unless `more` says otherwise."""
    return RunSettings(folder, settings, settings.pace, **{"steps": STEPS, **more})


def trainee(data: Path, settings: DecoderSettings = SETTINGS) -> DecoderTrainee:
    """The decoder of the people in `data`, not yet trained."""
    return make_decoder_trainee(([data], []), None, settings)(Process())


class _Slow:
    """A trainee that waits at every step, so that a test can kill it in between."""

    def __init__(self, inner: DecoderTrainee) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def loss(self, step: int) -> Tensor:
        time.sleep(0.05)
        return self._inner.loss(step)


def main(data: str, folder: str, *flags: str) -> None:
    pace = replace(PACE, batch=2) if "--two" in flags else PACE
    settings = replace(SETTINGS, pace=pace)
    make = make_decoder_trainee(([Path(data)], []), None, settings)
    slow = "--slow" in flags
    run(
        lambda process: _Slow(make(process)) if slow else make(process),
        run_settings(Path(folder), settings, resume="--resume" in flags),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
