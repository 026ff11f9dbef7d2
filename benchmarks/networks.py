"""Times the published networks as the package runs them against plain float32 modules in the same run.

    python -m benchmarks.networks [--weights DIR] [--device cuda] [--threads 2] [--rounds 9]

Prints one table: median milliseconds, the ratio to the plain module, and the largest difference from it, of
the points in millimetres and of the Gaussians' parameters. Without `--weights` the weights are made up, in
the published sizes. Their points spread over metres instead of a head, so only the difference relative to the
residuals, which are added to the mean head, means something then.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fastavatar.core import Gaussians
from fastavatar.models.published.decoder import load_decoder
from fastavatar.models.published.folding import fold
from fastavatar.models.published.framing import network_input
from fastavatar.models.published.identity_encoder import load_identity_encoder
from fastavatar.models.published.made_up import write_made_up
from fastavatar.models.published.networks import Networks, load_networks
from fastavatar.models.published.point_predictor import PointPredictor, load_point_predictor
from fastavatar.weights.checkpoint import read_checkpoint
from fastavatar.weights.metadata import read_metadata
from fastavatar.weights.release import Checkpoints, require_checkpoints

DTYPES = (torch.float32, torch.bfloat16)


def main() -> None:
    """Print the table for the checkpoints that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, help="Folder with the checkpoints; made-up ones by default.")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.weights is not None:
        measure(require_checkpoints(options.weights), torch.device(options.device), options.rounds)
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(write_made_up(Path(folder), 1), torch.device(options.device), options.rounds)


@torch.inference_mode()
def measure(paths: Checkpoints, device: torch.device, rounds: int) -> None:
    """Print the table for the checkpoints at `paths`."""
    rng = np.random.default_rng(0)
    image = network_input(rng.integers(0, 256, (224, 224, 3), np.uint8)).to(device)
    embedding = torch.from_numpy(rng.standard_normal((1, 512), np.float32)).to(device)

    encoder = load_identity_encoder(read_checkpoint(paths.encoder).state, "encoder").to(device)
    decoder = load_decoder(read_checkpoint(paths.decoder).state, "decoder").to(device)
    plain = points_of(paths, torch.float32).to(device)
    w = encoder(embedding)
    cls_token = straightforward_dino(plain, image)
    points = plain.heads(cls_token)[0][0]

    print(f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{'':34}{'ms':>8}{'ratio':>8}  largest difference")
    row("identity encoder", timed([partial(encoder, embedding)], device, rounds)[0])

    exact = decoder.assemble(decoder(w), points)
    folded = [fold(decoder, dtype) for dtype in DTYPES]
    runs = [partial(decoder, w), *(partial(fast.heads, w) for fast in folded)]
    reference_ms, *fast_ms = timed(runs, device, rounds)
    row("decoder, straightforward", reference_ms)
    for dtype, fast, milliseconds in zip(DTYPES, folded, fast_ms, strict=True):
        found = fast.decode(w, points).tensors()
        gaps = ", ".join(f"{name} {gap(found[name], value):.1e}" for name, value in exact.tensors().items())
        row(f"decoder, folded, {short(dtype)}", milliseconds, reference_ms, gaps)

    mean_shape = plain.mean_shape + plain.learn_mean_shape if plain.residuals else torch.zeros(())
    residual_m = float((points - mean_shape.to(points)).std())
    fitted = [points_of(paths, dtype).to(device) for dtype in DTYPES]
    runs = [partial(straightforward_dino, plain, image), *(partial(one.dino, image) for one in fitted)]
    reference_ms, *fast_ms = timed(runs, device, rounds)
    row("DINOv2, straightforward", reference_ms)
    for dtype, one, milliseconds in zip(DTYPES, fitted, fast_ms, strict=True):
        error_m = gap(one(image)[0][0], points)
        gaps = f"points {1000 * error_m:.3f} mm, {error_m / residual_m:.2%} of their residuals' deviation"
        row(f"DINOv2, {short(dtype)}", milliseconds, reference_ms, gaps)
    row("both heads on the class token", timed([partial(plain.heads, cls_token)], device, rounds)[0])
    for dtype in DTYPES:
        start = time.perf_counter()
        networks = load_networks(paths, device, dtype)
        row(f"loading all three, {short(dtype)}", 1000 * (time.perf_counter() - start))
        everything = partial(predict, networks, embedding, image)
        row(f"W + points + decoder, {short(dtype)}", timed([everything], device, rounds)[0])


def predict(networks: Networks, embedding: Tensor, image: Tensor) -> Gaussians:
    """All three networks on an embedding (1, 512) and an image (1, 3, 224, 224)."""
    assert networks.encoder is not None
    return networks.decoder.decode(networks.encoder(embedding), networks.points(image)[0][0])


def straightforward_dino(network: PointPredictor, image: Tensor) -> Tensor:
    """Class token (1, width) by running every block on all tokens."""
    tokens = network.dino.embed(image)
    for block in network.dino.blocks:
        tokens = block(tokens)
    cls_token: Tensor = network.dino.norm(tokens)[:, 0]
    return cls_token


def points_of(paths: Checkpoints, dtype: torch.dtype) -> PointPredictor:
    """The point predictor whose DINOv2 multiplies in `dtype`."""
    state = read_checkpoint(paths.dino).state
    return load_point_predictor(state, str(paths.dino), read_metadata(paths.dino), dtype)


def timed(runs: Sequence[Callable[[], object]], device: torch.device, rounds: int) -> list[float]:
    """Median milliseconds of each run; the runs take turns, so that a busy machine slows all alike."""
    seconds: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds + 2):
        for run, taken in zip(runs, seconds, strict=True):
            start = time.perf_counter()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            taken.append(time.perf_counter() - start)
    return [1000 * statistics.median(taken[2:]) for taken in seconds]


def row(name: str, milliseconds: float, reference_ms: float | None = None, difference: str = "") -> None:
    """Print one line of the table."""
    ratio = "" if reference_ms is None else f"{milliseconds / reference_ms:.2f}"
    print(f"{name:34}{milliseconds:8.1f}{ratio:>8}  {difference}")


def gap(found: Tensor, exact: Tensor) -> float:
    """Largest absolute difference of two tensors of one shape."""
    return float((found - exact).abs().max())


def short(dtype: torch.dtype) -> str:
    """`float32` for `torch.float32`."""
    return str(dtype).removeprefix("torch.")


if __name__ == "__main__":
    main()
