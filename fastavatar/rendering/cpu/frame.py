"""One picture: its splats, the tiles they touch, and the kernels' order of work."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastavatar.core import Camera, Gaussians
from fastavatar.rendering import (
    CHUNK,
    NOT_DRAWN,
    SPLAT,
    SUMS,
    TILE,
    Doubles,
    Floats,
    Ints,
    KernelCamera,
    Longs,
    Pairs,
    Parameters,
    Picture,
    Projection,
    TileLists,
    composite,
    fill_tiles,
    project,
    run_on_threads,
)


@dataclass(frozen=True)
class SortedSplats:
    """Splats sorted into tiles."""

    view: KernelCamera
    gaussians: Parameters
    rects: Ints
    """(N, 4) tiles that each splat touches; empty where it is not drawn."""
    lists: TileLists


def make_frame(camera: Camera, tensors: Iterable[Tensor], threads: int) -> SortedSplats:
    """Project Gaussians, given by their five tensors, and sort them into tiles.

    Raises `InputError` naming the first parameter that is not finite.
    """
    view = _view(camera)
    gaussians = Parameters(*(kernel_array(tensor, torch.float32) for tensor in tensors))
    count = len(gaussians.means)
    columns, rows, chunks = -(-view.width // TILE), -(-view.height // TILE), -(-count // CHUNK)
    projected = Projection(
        np.empty((count, SPLAT), np.float32),
        np.empty((count, 4), np.int32),
        np.empty(count, np.uint64),
        np.zeros((chunks, rows), np.int32),
        np.empty(chunks, np.bool_),
    )
    run_kernel(threads, lambda counter: project(counter, view, gaussians, projected))
    if not projected.finite.all():
        Gaussians(*(torch.from_numpy(parameter) for parameter in gaussians)).require_finite()
    # Sorting the keys sorts by depth; what is not drawn comes last
    keys = projected.keys
    keys.sort()
    order = keys[: np.searchsorted(keys, NOT_DRAWN)]
    row_starts = np.concatenate([[0], np.cumsum(projected.covers.sum(0, dtype=np.int64))])
    starts, indices = np.empty(columns * rows + 1, np.int64), np.empty(row_starts[-1], np.int32)
    # One band of tile rows a thread: no two threads write one list
    bands, rects = min(rows, threads), projected.rects
    run_kernel(threads, lambda counter: fill_tiles(counter, bands, order, rects, row_starts, starts, indices))
    return SortedSplats(
        view, gaussians, rects, TileLists(starts, indices, int(np.diff(starts).max()), projected.splats)
    )


def draw(frame: SortedSplats, background: Floats, threads: int) -> Picture:
    """The picture over `background` (3,)."""
    size = (frame.view.height, frame.view.width)
    picture = Picture(
        np.empty((*size, 3), np.float32), np.empty(size, np.float32), np.empty(size, np.float32)
    )
    run_kernel(threads, lambda counter: composite(counter, frame.lists, background, picture))
    return picture


def backward(
    frame: SortedSplats, picture: Picture, d_picture: Picture, threads: int
) -> tuple[Parameters, Doubles]:
    """Gradients by the parameters, and (12,) by the camera's rotation, row by row, and translation."""
    # Imported, and so compiled, only where gradients are wanted.
    from fastavatar.rendering import composite_backward, project_backward

    # Every pair of a splat and a tile gets a place for its gradient sums
    left, right, top, bottom = frame.rects.T.astype(np.int64)
    ends = np.cumsum((right - left) * (bottom - top))
    pairs = Pairs(
        frame.rects,
        np.concatenate([[0], ends]),
        np.empty((len(frame.lists.indices), SUMS), np.float32),
    )
    run_kernel(threads, lambda counter: composite_backward(counter, frame.lists, picture, d_picture, pairs))
    gradients = Parameters(*(np.zeros_like(parameter) for parameter in frame.gaussians))
    d_camera = np.zeros((-(-len(frame.rects) // CHUNK), 12))
    known = (frame.view, frame.gaussians, pairs)
    run_kernel(threads, lambda counter: project_backward(counter, *known, gradients, d_camera))
    return gradients, d_camera.sum(0)


def run_kernel(threads: int, kernel: Callable[[Longs], object]) -> None:
    """Let `threads` threads take the kernel's units of work from one counter."""
    counter = np.zeros(1, np.int64)
    run_on_threads(lambda: kernel(counter), threads)


def _view(camera: Camera) -> KernelCamera:
    """The camera as the kernels read it; see `layout`."""
    pose, K = kernel_array(camera.world_to_camera, torch.float64), kernel_array(camera.K, torch.float64)
    # The camera stands where R·x + t = 0: at −Rᵀ·t
    R, t = pose[:3, :3], pose[:3, 3]
    numbers = np.concatenate([R.ravel(), t, [K[0, 0], K[1, 1], K[0, 2], K[1, 2]], -R.T @ t])
    return KernelCamera(numbers, camera.width, camera.height)


def kernel_array(tensor: Tensor, dtype: torch.dtype) -> NDArray[Any]:
    """A tensor as kernels read it: on the CPU, in one piece."""
    return tensor.detach().to("cpu", dtype).contiguous().numpy()
