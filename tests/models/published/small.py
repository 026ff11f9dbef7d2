"""Sizes of networks of the published design that are quick to run."""

import math
from pathlib import Path

import numpy as np
import torch

from fastavatar.models.published.decoder import ConditionalDecoder, DecoderSizes, load_decoder
from fastavatar.models.published.dinov2 import Dinov2Sizes
from fastavatar.models.published.made_up import layout, numbers, write_made_up
from fastavatar.models.published.point_predictor import PointPredictorSizes

POINTS = 40
SMALL_DECODER = DecoderSizes(gaussians=POINTS, sh_coefficients=4, embedding=8, body=(520, 16, 16), head=12)
SMALL_DINO = Dinov2Sizes(width=128, depth=2, hidden=64)
SMALL_POINTS = PointPredictorSizes(SMALL_DINO, [128, 32, 32, 3 * POINTS], [128, 32, 32, 9], residuals=True)


def decoder_of_a_head(count: int, seed: int = 3) -> ConditionalDecoder:
    """A made-up decoder whose Gaussians look like something: small, nearly opaque, of colours that differ."""
    sizes = DecoderSizes(gaussians=count, sh_coefficients=4, embedding=8, body=(520, 16, 16), head=12)
    state = numbers(layout(sizes, SMALL_POINTS)[1], seed)
    state["base_scales"] = torch.full((count, 3), math.log(0.01))
    state["base_opacity"] = torch.full((count,), 2.0)
    state["base_rotations"] = state["base_rotations"] + torch.tensor([1.0, 0.0, 0.0, 0.0])
    for head in ("scale", "rotation", "opacity", "means"):
        state[f"conditioning_mlp.{head}_head.2.weight"] *= 0.1
    return load_decoder(state, "decoder", frozen=True)


def write_small_for(count: int, folder: Path) -> list[str]:
    """Made-up checkpoints for so many points, and an embedding, in `folder`; the flags that name them."""
    decoder = DecoderSizes(gaussians=count, sh_coefficients=4, embedding=8, body=(520, 16, 16), head=12)
    points = PointPredictorSizes(SMALL_DINO, [128, 32, 3 * count], [128, 32, 9], residuals=True)
    paths = write_made_up(folder, 1, decoder, points)
    np.save(folder / "embedding.npy", np.ones(512, np.float32))
    flags = {
        "--encoder_checkpoint": paths.encoder,
        "--decoder_checkpoint": paths.decoder,
        "--embedding": folder / "embedding.npy",
    }
    return [str(part) for flag in flags.items() for part in flag]
