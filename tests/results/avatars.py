"""An avatar the tests make themselves: a ball of coloured Gaussians before a frontal camera."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fastavatar.core import Avatar, Face, Gaussians, Photo, Provenance, encode_colors, frontal_camera

RADIUS_M = 0.1
WIDTH, HEIGHT = 120, 90


@dataclass(frozen=True)
class ModelFacts:
    """What a model adds to the summary."""

    gaussians: int | None = None

    def for_summary(self) -> dict[str, object]:
        """Two fields of its own, and one that all models have, if it is given."""
        own: dict[str, object] = {"w_vector_shape": [512], "head_width_m": 0.15}
        return own if self.gaussians is None else {**own, "num_gaussians": self.gaussians}


def make_avatar(seed: int = 0) -> Avatar:
    """Red grows to the person's left, green upward, blue out of the face; the photo is grey."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.nn.functional.normalize(torch.randn(300, 3, generator=generator), dim=1)
    gaussians = Gaussians(
        directions * RADIUS_M,
        torch.tensor([[1.0, 0.0, 0.0, 0.0]]).expand(300, 4),
        torch.full((300, 3), -4.3),
        torch.full((300,), 3.0),
        encode_colors((directions + 1) / 2)[:, None],
    )
    photo = Photo(np.full((HEIGHT, WIDTH, 3), 100, np.uint8), None, 150.0, Path("photos/face.jpg"))
    face = Face(0, 2, (40.0, 20.0, 80.0, 70.0), np.zeros((478, 3), np.float32))
    made = Provenance(
        "facemesh",
        "MIT",
        seed,
        "cpu",
        {"face": 0.25},
        ("The face is small.",),
        (ModelFacts(),),
    )
    arrays = {"w_vector": np.arange(512, dtype=np.float32)}
    return Avatar(gaussians, frontal_camera(1.0, 150.0, WIDTH, HEIGHT), photo, face, made, arrays)
