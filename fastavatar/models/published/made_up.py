"""Made-up weights of the published layout: for tests, for benchmarks, and to compare two implementations.

The same name, shape and seed give the same numbers everywhere: each tensor is drawn from its own stream,
PCG64 seeded with the seed and the CRC-32 of the name. The spreads keep every activation in a sound range.
"""

import math
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fastavatar.models.published import (
    PUBLISHED_WIDTHS,
    ConditionalDecoder,
    DecoderSizes,
    Dinov2Sizes,
    IdentityEncoder,
    PointPredictor,
    PointPredictorSizes,
    Shapes,
    built_without_numbers,
)
from fastavatar.system import replacing_all
from fastavatar.weights import STEMS, Checkpoints, write_pickle

PUBLISHED_POINTS = PointPredictorSizes(
    dino=Dinov2Sizes(),
    points_widths=[768, 1024, 1024, 1024, 3 * DecoderSizes().gaussians],
    pose_widths=[768, 1024, 1024, 1024, 9],
    residuals=True,
)


def write_made_up(
    folder: Path,
    seed: int,
    decoder: DecoderSizes | None = None,
    points: PointPredictorSizes = PUBLISHED_POINTS,
    overwrite: bool = True,
) -> Checkpoints:
    """Write the three checkpoints, of the published sizes by default, into `folder`, marked as made up.

    All three are written, or none. Raises `OverwriteError` without `overwrite` where one is there,
    `FastAvatarError` when they cannot be written.
    """
    shapes = layout(decoder or DecoderSizes(), points)
    mark = f"made-up numbers, seed {seed}, by `fastavatar weights random`"
    paths = Checkpoints(*(folder / f"{stem}.pth" for stem in STEMS.paths()))
    keys = ("model_dict", "model_dict", "model_state_dict")
    with replacing_all(paths.paths(), overwrite) as partials:
        for path, key, one in zip(partials, keys, shapes, strict=True):
            write_pickle(numbers(one, seed), mark, key, path)
    return paths


def layout(decoder: DecoderSizes, points: PointPredictorSizes) -> tuple[Shapes, Shapes, Shapes]:
    """Names and shapes in the checkpoints of the encoder, the decoder and the point predictor."""
    networks: list[nn.Module] = [
        built_without_numbers(lambda: IdentityEncoder(PUBLISHED_WIDTHS)),
        built_without_numbers(lambda: ConditionalDecoder(decoder)),
        built_without_numbers(lambda: nn.ModuleDict({"encoder": PointPredictor(points)})),
    ]
    encoder, decoded, pointed = (
        {name: tuple(value.shape) for name, value in network.state_dict().items()} for network in networks
    )
    return encoder, decoded, pointed


def numbers(shapes: Shapes, seed: int) -> dict[str, Tensor]:
    """A state dict of these names and shapes: float32, counters int64 and zero."""
    return {name: torch.as_tensor(_draw(name, shape, seed)) for name, shape in shapes.items()}


def _draw(name: str, shape: tuple[int, ...], seed: int) -> NDArray[np.generic]:
    leaf = name.rpartition(".")[2]
    if leaf == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    # A stream for each name: a network that gains a tensor keeps the numbers of all others.
    stream = np.random.default_rng([seed, zlib.crc32(name.encode())])
    x = np.asarray(stream.standard_normal(shape, dtype=np.float32))
    if leaf == "running_var":  # positive, or the square root has no value
        return 1 + np.float32(0.1) * np.abs(x)
    if leaf == "temperature":  # near 1, where training starts
        return 1 + np.float32(0.1) * x
    if leaf == "gamma":  # of a LayerScale
        return np.float32(0.5) + np.float32(0.05) * x
    if leaf == "weight" and len(shape) == 1:  # of a norm
        return 1 + np.float32(0.05) * x
    if name.startswith("splats.") or leaf.startswith("base_") or leaf == "learn_mean_shape":
        return np.float32(0.1) * x
    if leaf in ("cls_token", "mask_token", "pos_embed"):
        return np.float32(0.2) * x
    if len(shape) >= 2:  # He et al. 2015, equation 10: variance 2 / fan-in keeps activations level under ReLU
        return x * np.float32(math.sqrt(2 / math.prod(shape[1:])))
    return np.float32(0.05) * x
