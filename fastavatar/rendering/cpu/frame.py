"""One picture: its splats, the tiles they touch, and the kernels' order of work."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch

from fastavatar.core import Gaussians
from fastavatar.rendering.constants import TILE
from fastavatar.rendering.cpu.composite import composite
from fastavatar.rendering.cpu.layout import CHUNK, SPLAT, SUMS, Doubles, Floats, Ints, Longs
from fastavatar.rendering.cpu.project import NOT_DRAWN, project
from fastavatar.rendering.cpu.tiles import fill_tiles
from fastavatar.rendering.threads import run_on_threads

Parameters: TypeAlias = tuple[Floats, ...]
"""means (N, 3), quats_wxyz (N, 4), log_scales (N, 3), opacity_logits (N,), sh (N, K, 3)."""

Picture: TypeAlias = tuple[Floats, ...]
"""image (H, W, 3), alpha (H, W), depth (H, W); or the gradients by them."""


@dataclass(frozen=True)
class Frame:
    """Splats sorted into tiles."""

    width: int
    height: int
    splats: Floats
    """(N, SPLAT) records."""
    rects: Ints
    """(N, 4) tiles a splat touches; empty where it is not drawn."""
    starts: Longs
    """(tiles + 1,) where each tile's list begins in `indices`."""
    indices: Ints
    """(pairs,) splats, tile by tile, each tile's from near to far."""
    longest: int
    """Splats in the fullest tile."""


def make_frame(view: Doubles, width: int, height: int, parameters: Parameters, threads: int) -> Frame:
    """Project the Gaussians and sort them into tiles.

    Raises `InputError` naming the first parameter that is not finite.
    """
    count = len(parameters[0])
    columns, rows, chunks = -(-width // TILE), -(-height // TILE), -(-count // CHUNK)
    splats, rects = np.empty((count, SPLAT), np.float32), np.empty((count, 4), np.int32)
    keys, covers, finite = (
        np.empty(count, np.uint64),
        np.zeros((chunks, rows), np.int32),
        np.empty(chunks, np.bool_),
    )
    out = (splats, rects, keys, covers, finite)
    _run(threads, lambda counter: project(counter, view, width, height, *parameters, *out))
    if not finite.all():
        Gaussians(*(torch.from_numpy(parameter) for parameter in parameters)).require_finite()
    keys.sort()
    order = keys[: np.searchsorted(keys, NOT_DRAWN)]
    row_starts = np.concatenate([[0], np.cumsum(covers.sum(0, dtype=np.int64))])
    starts, indices = np.empty(columns * rows + 1, np.int64), np.empty(row_starts[-1], np.int32)
    bands = min(rows, threads)
    _run(threads, lambda counter: fill_tiles(counter, bands, order, rects, row_starts, starts, indices))
    return Frame(width, height, splats, rects, starts, indices, int(np.diff(starts).max()))


def draw(frame: Frame, background: Floats, threads: int) -> Picture:
    """The picture over `background` (3,)."""
    size = (frame.height, frame.width)
    picture = (np.empty((*size, 3), np.float32), np.empty(size, np.float32), np.empty(size, np.float32))
    lists = (frame.starts, frame.indices, frame.longest, frame.splats)
    _run(threads, lambda counter: composite(counter, *lists, background, *picture))
    return picture


def backward(
    frame: Frame,
    view: Doubles,
    parameters: Parameters,
    picture: Picture,
    d_picture: Picture,
    threads: int,
) -> tuple[Parameters, Doubles]:
    """Gradients by the parameters, and (12,) by the camera's rotation, row by row, and translation."""
    # Compiled only by those who want gradients.
    from fastavatar.rendering.cpu.composite_backward import composite_backward
    from fastavatar.rendering.cpu.project_backward import project_backward

    left, right, top, bottom = frame.rects.T.astype(np.int64)
    ends = np.cumsum((right - left) * (bottom - top))
    first_pairs = np.concatenate([[0], ends])
    pair_sums = np.empty((len(frame.indices), SUMS), np.float32)
    lists = (frame.starts, frame.indices, frame.longest, frame.splats, frame.rects, first_pairs)
    _run(threads, lambda counter: composite_backward(counter, *lists, *picture, *d_picture, pair_sums))
    gradients = tuple(np.zeros_like(parameter) for parameter in parameters)
    d_view = np.zeros((-(-len(frame.rects) // CHUNK), 12))
    known = (view, frame.width, frame.height, *parameters, frame.rects, first_pairs, pair_sums)
    _run(threads, lambda counter: project_backward(counter, *known, *gradients, d_view))
    return gradients, d_view.sum(0)


def _run(threads: int, kernel: Callable[[Longs], object]) -> None:
    """Let `threads` threads take the kernel's units of work from one counter."""
    counter = np.zeros(1, np.int64)
    run_on_threads(lambda: kernel(counter), threads)
