"""Computes the figures of `tests/models/published/parity_seed1.npz` by an independent implementation.

    python -m scripts.parity_figures [--write FILE.npz]

The figures in the file came from the published code, which was run once on made-up weights, in float32 on a
CPU. This script uses neither that code nor this project's networks: it computes in numpy, in float64, from
the papers. It takes the two inputs, an embedding and a photo, from the file and prints the largest difference
of each figure. With `--write` it writes its own figures, which agree with the published ones to float32
rounding. It shares only the made-up numbers with the package (`made_up.numbers`).
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from fastavatar.models.published.decoder import DecoderSizes
from fastavatar.models.published.made_up import PUBLISHED_POINTS, layout, numbers

FIGURES = Path(__file__).parents[1] / "tests/models/published/parity_seed1.npz"
SEED = 1
HEAD_WIDTH, PATCH_PX, BLOCKS, TRAINED_SIDE = 64, 14, 12, 37

Values = NDArray[np.float64]
Weights = Mapping[str, Any]
"""Name → tensor of a state dict."""


def main() -> None:
    """Print the differences; write the figures where the arguments name a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--write", type=Path, metavar="FILE.npz", help="Write the figures here.")
    options = parser.parse_args()
    with np.load(FIGURES) as file:
        stored = dict(file)
    found = figures(stored["embedding"], stored["photo_rgb"], stored["index"])
    for name, value in found.items():
        print(f"{name:20}{np.abs(value - stored[name]).max():10.1e}")
    if options.write is not None:
        inputs = {name: stored[name] for name in ("index", "embedding", "photo_rgb")}
        outputs: dict[str, Any] = {
            name: value if name.startswith("mean_abs_") else value.astype(np.float32)
            for name, value in found.items()
        }
        np.savez_compressed(options.write, **inputs, **outputs)


def figures(
    embedding: NDArray[np.float32], photo_rgb: NDArray[np.uint8], index: NDArray[np.int32]
) -> dict[str, Values]:
    """Outputs of all networks for an embedding (1, 512) and a photo (224, 224, 3), at the rows `index`.

    `mean_abs_…` is the mean absolute value over all rows.
    """
    encoder, decoder, points = (numbers(shapes, SEED) for shapes in layout(DecoderSizes(), PUBLISHED_POINTS))
    w = identity(encoder, embedding.astype(np.float64))
    inner = {name.removeprefix("encoder."): value for name, value in points.items()}
    cls_token = dinov2(
        {name.removeprefix("dino."): value for name, value in inner.items() if name.startswith("dino.")},
        photo_rgb,
    )
    placed = points_of(inner, cls_token)
    outputs = {"points": placed, **gaussians(decoder, w, placed)}
    found = {"w_vector": w, "camera_pose": camera_pose(inner, cls_token)}
    for name, rows in outputs.items():
        found[name] = rows[index]
        found[f"mean_abs_{name}"] = np.abs(rows).mean()
    return found


def identity(weights: Weights, embedding: Values) -> Values:
    """W (1, 512) of an embedding (1, 512): linear, batch normalisation and ReLU three times; then linear."""
    x = embedding / np.linalg.norm(embedding)
    for place in (0, 4, 8):  # dropout has an index of its own after the first two
        x = linear(weights, f"projector.{place}", x)
        norm = f"projector.{place + 1}"
        # Ioffe and Szegedy 2015 with the statistics of training
        mean, variance = array(weights, f"{norm}.running_mean"), array(weights, f"{norm}.running_var")
        x = (x - mean) / np.sqrt(variance + 1e-5)
        x = np.maximum(x * array(weights, f"{norm}.weight") + array(weights, f"{norm}.bias"), 0)
    return linear(weights, "projector.11", x) * array(weights, "temperature")


def dinov2(weights: Weights, photo_rgb: NDArray[np.uint8]) -> Values:
    """Class token (1, 768) of a photo (224, 224, 3): Dosovitskiy et al. 2021 with LayerScale."""
    pixels = (photo_rgb / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    side = len(pixels) // PATCH_PX
    # (side², 3 · 14 · 14): rows of patches, each channel by channel
    patches = pixels.reshape(side, PATCH_PX, side, PATCH_PX, 3).transpose(0, 2, 4, 1, 3).reshape(side**2, -1)
    kernel = array(weights, "patch_embed.proj.weight").reshape(-1, patches.shape[1])
    x = np.concatenate(
        [
            array(weights, "cls_token")[0],
            patches @ kernel.T + array(weights, "patch_embed.proj.bias"),
        ]
    ) + positions(array(weights, "pos_embed")[0], side)
    for block in (f"blocks.{i}." for i in range(BLOCKS)):
        q, k, v = np.split(linear(weights, f"{block}attn.qkv", norm(weights, f"{block}norm1", x)), 3, 1)
        heads = [slice(i, i + HEAD_WIDTH) for i in range(0, x.shape[1], HEAD_WIDTH)]
        mixed = [softmax(q[:, h] @ k[:, h].T / np.sqrt(HEAD_WIDTH)) @ v[:, h] for h in heads]
        attended = linear(weights, f"{block}attn.proj", np.concatenate(mixed, 1))
        x = x + attended * array(weights, f"{block}ls1.gamma")
        hidden = linear(weights, f"{block}mlp.fc1", norm(weights, f"{block}norm2", x))
        hidden = hidden * (1 + erf(hidden / np.sqrt(2))) / 2  # GELU
        x = x + linear(weights, f"{block}mlp.fc2", hidden) * array(weights, f"{block}ls2.gamma")
    return norm(weights, "norm", x)[:1]


def positions(table: Values, side: int) -> Values:
    """The position table (1 + 37², 768) resized to `side`² patches by Keys' bicubic kernel, a = −0.75.

    The step between samples is 37 / (side + 0.1), as in the published code; the border is repeated. Source:
    Keys 1981.
    """
    step = TRAINED_SIDE / (side + 0.1)
    matrix = np.zeros((side, TRAINED_SIDE))
    for row in range(side):
        place = (row + 0.5) * step - 0.5
        first = int(np.floor(place))
        for neighbour in range(first - 1, first + 3):
            matrix[row, np.clip(neighbour, 0, TRAINED_SIDE - 1)] += cubic(abs(place - neighbour))
    grid = table[1:].reshape(TRAINED_SIDE, TRAINED_SIDE, -1)
    resized = np.einsum("iy,jx,yxc->ijc", matrix, matrix, grid, optimize=True)
    return np.concatenate([table[:1], resized.reshape(side**2, -1)])


def cubic(distance: float, a: float = -0.75) -> float:
    """Keys' kernel at a distance of up to 2 samples."""
    if distance <= 1:
        return (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    return a * (distance**3 - 5 * distance**2 + 8 * distance - 4)


def points_of(weights: Weights, cls_token: Values) -> Values:
    """Points (N, 3): the sum of both mean shapes and a tenth of the head's output."""
    offsets = projected(weights, "points_projector", cls_token).reshape(-1, 3)
    return array(weights, "mean_shape") + array(weights, "learn_mean_shape") + 0.1 * offsets


def camera_pose(weights: Weights, cls_token: Values) -> Values:
    """Camera-to-world transform (1, 4, 4), rotation by Gram–Schmidt from six numbers (Zhou et al. 2019)."""
    pose = projected(weights, "pose_projector", cls_token)[0]
    x = pose[:3] / np.linalg.norm(pose[:3])
    y = pose[3:6] - (x @ pose[3:6]) * x
    y /= np.linalg.norm(y)
    matrix = np.eye(4)
    matrix[:3] = np.column_stack([np.stack([x, y, np.cross(x, y)]), pose[6:]])
    return matrix[None]


def projected(weights: Weights, head: str, x: Values) -> Values:
    """A head's output: linear, layer normalisation and ReLU three times; then linear."""
    for place in (0, 4, 8):
        x = np.maximum(norm(weights, f"{head}.{place + 1}", linear(weights, f"{head}.{place}", x), 1e-5), 0)
    return linear(weights, f"{head}.11", x)


def gaussians(weights: Weights, w: Values, placed: Values) -> dict[str, Values]:
    """The decoder's Gaussians at points (N, 3), by the names of the figures."""
    embeddings = array(weights, "gaussian_embeddings.weight")
    x = np.concatenate([np.repeat(w, len(embeddings), 0), embeddings], 1)
    for place in range(0, 12, 2):
        x = np.maximum(linear(weights, f"conditioning_mlp.shared_body.{place}", x), 0)

    def head(name: str) -> Values:
        hidden = np.maximum(linear(weights, f"conditioning_mlp.{name}_head.0", x), 0)
        return linear(weights, f"conditioning_mlp.{name}_head.2", hidden)

    colors = head("color").reshape(len(embeddings), -1, 3)
    return {
        "means": placed + 0.1 * np.tanh(head("means")),
        "quats": array(weights, "base_rotations") + head("rotation"),
        "scales": array(weights, "base_scales") + head("scale"),
        "opacities": array(weights, "base_opacity") + head("opacity")[:, 0],
        "sh0": array(weights, "base_sh0") + colors[:, :1],
        "shN": array(weights, "base_shN") + colors[:, 1:],
    }


def array(weights: Weights, name: str) -> Values:
    """A tensor of the state dict in float64."""
    values: Values = weights[name].numpy().astype(np.float64)
    return values


def linear(weights: Weights, name: str, x: Values) -> Values:
    """Rows of `x` through a linear layer."""
    return x @ array(weights, f"{name}.weight").T + array(weights, f"{name}.bias")


def norm(weights: Weights, name: str, x: Values, epsilon: float = 1e-6) -> Values:
    """Layer normalisation of each row (Ba et al. 2016)."""
    centred = x - x.mean(1, keepdims=True)
    unit = centred / np.sqrt((centred**2).mean(1, keepdims=True) + epsilon)
    scaled: Values = unit * array(weights, f"{name}.weight") + array(weights, f"{name}.bias")
    return scaled


def softmax(x: Values) -> Values:
    """Softmax of each row."""
    powers = np.exp(x - x.max(1, keepdims=True))
    shares: Values = powers / powers.sum(1, keepdims=True)
    return shares


if __name__ == "__main__":
    main()
