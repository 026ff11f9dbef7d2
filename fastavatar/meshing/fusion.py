"""Depths of many views, fused into a volume of signed distances.

Source: Curless and Levoy, "A volumetric method for building complex models from range images" (1996). Unlike
theirs the volume is solid where no view looks, so that the surface is closed.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastavatar.geometry import Array
from fastavatar.meshing import DepthViews
from fastavatar.rendering import Floats, Longs, fetch_add, inlined, kernel, run_on_threads, thread_count

TRUNCATION = 3.0
"""Distance in voxels from which on a surface says only inside or outside; thinner parts would be lost."""
BLOCK = 8
"""Voxels along a side of a block, which is skipped where a view has nothing to say about it."""
TILE_PX = 8
"""Pixels along a side of a tile, of which only the nearest and the farthest depth are asked for a block."""


@dataclass(frozen=True)
class Grid:
    """Voxels along the axes of the head frame."""

    origin: Array
    """(3,) metres, the centre of the first voxel."""
    voxel_m: float
    shape: tuple[int, int, int]
    """Multiples of `BLOCK`."""


@dataclass(frozen=True)
class DistanceVolume:
    """Weighted sums of the distances that views state."""

    grid: Grid
    sums: Floats
    """(X, Y, Z) distance in truncations, −1 inside to 1 outside, times weight."""
    weights: Floats
    """(X, Y, Z)"""

    @staticmethod
    def empty(grid: Grid) -> "DistanceVolume":
        """A volume that no view has said anything about."""
        return DistanceVolume(grid, np.zeros(grid.shape, np.float32), np.zeros(grid.shape, np.float32))

    def distances(self) -> Floats:
        """(X, Y, Z) in truncations, −1 inside to 1 outside; −1 where no view looked."""
        known = self.weights > 0
        return np.where(known, self.sums / np.where(known, self.weights, 1), -1).astype(np.float32)


def grid_about(low: Array, high: Array, voxels: int) -> Grid:
    """A grid of at most `voxels` along a side that holds the box from `low` to `high` (3,), with a rim."""
    voxel_m = float((high - low).max()) / (voxels - 4 * TRUNCATION)
    origin = low - 2 * TRUNCATION * voxel_m
    count = np.ceil((high - low) / voxel_m + 4 * TRUNCATION).astype(int)
    x, y, z = (-(-int(one) // BLOCK) * BLOCK for one in count)
    return Grid(origin, voxel_m, (x, y, z))


class _Seen(NamedTuple):
    """V views of one size as kernels take them."""

    depths: Floats
    """(V, H, W)"""
    cosines: Floats
    """(V, H, W)"""
    nearest: Floats
    """(V, rows, columns) the least depth in each tile."""
    farthest: Floats
    """(V, rows, columns) the greatest."""
    poses: Array
    """(V, 3, 4) head frame to camera."""
    lenses: Array
    """(V, 4) focal lengths and principal point in pixels."""


class _Into(NamedTuple):
    """A volume as kernels take it."""

    sums: Floats
    weights: Floats
    origin: Array
    voxel_m: float


def fuse(volume: DistanceVolume, views: DepthViews) -> None:
    """Add what `views` say to the volume, in place; whatever the threads, to the last bit."""
    nearest, farthest = _tiles(views.depth)
    seen = _Seen(views.depth, views.cosine, nearest, farthest, views.poses(), views.lenses())
    into = _Into(volume.sums, volume.weights, volume.grid.origin, volume.grid.voxel_m)
    counter = np.zeros(1, np.int64)
    run_on_threads(lambda: _fuse_blocks(counter, seen, into), thread_count())


def _tiles(depth: Floats) -> tuple[Floats, Floats]:
    """Nearest and farthest depth in each tile of depths (V, H, W); infinite where clear, 0 where unknown."""
    views, *sides = depth.shape
    height, width = (-(-side // TILE_PX) for side in sides)
    padded = np.zeros((views, height * TILE_PX, width * TILE_PX), np.float32)
    padded[:, : sides[0], : sides[1]] = depth
    tiles = padded.reshape(views, height, TILE_PX, width, TILE_PX)
    return tiles.min((2, 4)), tiles.max((2, 4))


@inlined
def _range_of_block(
    seen: _Seen, view: int, x: float, y: float, z: float, reach_m: float
) -> tuple[float, float, float]:
    """Depth of a block's centre, and the nearest and farthest depth that a view sees about it.

    The nearest is infinite and the farthest 0 where the block is not in the picture.
    """
    pose, lens = seen.poses[view], seen.lenses[view]
    near, far = np.inf, 0.0
    depth_m = pose[2, 0] * x + pose[2, 1] * y + pose[2, 2] * z + pose[2, 3]
    if depth_m <= 2 * reach_m:
        return depth_m, near, far
    px = (pose[0, 0] * x + pose[0, 1] * y + pose[0, 2] * z + pose[0, 3]) / depth_m * lens[0] + lens[2]
    py = (pose[1, 0] * x + pose[1, 1] * y + pose[1, 2] * z + pose[1, 3]) / depth_m * lens[1] + lens[3]
    radius_px = reach_m / (depth_m - reach_m) * max(lens[0], lens[1]) + 1
    rows, columns = seen.nearest.shape[1:]
    left = max(int(np.floor((px - radius_px) / TILE_PX)), 0)
    right = min(int(np.floor((px + radius_px) / TILE_PX)), columns - 1)
    top = max(int(np.floor((py - radius_px) / TILE_PX)), 0)
    bottom = min(int(np.floor((py + radius_px) / TILE_PX)), rows - 1)
    for row in range(top, bottom + 1):
        for column in range(left, right + 1):
            near = min(near, seen.nearest[view, row, column])
            far = max(far, seen.farthest[view, row, column])
    return depth_m, near, far


@inlined
def _add_view(seen: _Seen, view: int, into: _Into, i: int, j: int, k0: int) -> None:
    """Add what a view says about the voxels k0 to k0 + BLOCK of row i, j."""
    pose, lens = seen.poses[view], seen.lenses[view]
    height, width = seen.depths.shape[1:]
    voxel_m = into.voxel_m
    x, y, z = into.origin[0] + i * voxel_m, into.origin[1] + j * voxel_m, into.origin[2] + k0 * voxel_m
    ax = pose[0, 0] * x + pose[0, 1] * y + pose[0, 2] * z + pose[0, 3]
    ay = pose[1, 0] * x + pose[1, 1] * y + pose[1, 2] * z + pose[1, 3]
    az = pose[2, 0] * x + pose[2, 1] * y + pose[2, 2] * z + pose[2, 3]
    for k in range(BLOCK):
        step = k * voxel_m
        depth_m = az + pose[2, 2] * step
        column = int(np.floor((ax + pose[0, 2] * step) / depth_m * lens[0] + lens[2]))
        row = int(np.floor((ay + pose[1, 2] * step) / depth_m * lens[1] + lens[3]))
        if not (0 <= row < height and 0 <= column < width):
            continue
        depth = seen.depths[view, row, column]
        if depth == 0:
            continue
        distance, weight = np.float32(1), np.float32(1)
        if depth < np.inf:
            cosine = seen.cosines[view, row, column]
            # A plane is nearer along its normal than along the ray, by the cosine
            away = np.float32((depth - depth_m) / (TRUNCATION * voxel_m)) * cosine
            if away < -1:
                continue
            distance, weight = min(away, distance), cosine * cosine
        into.sums[i, j, k0 + k] += distance * weight
        into.weights[i, j, k0 + k] += weight


@kernel
def _fuse_blocks(counter: Longs, seen: _Seen, into: _Into) -> None:
    """Blocks are taken from `counter` (1,): each is written by one thread, all views in order."""
    across, up, deep = (
        into.sums.shape[0] // BLOCK,
        into.sums.shape[1] // BLOCK,
        into.sums.shape[2] // BLOCK,
    )
    truncation_m = TRUNCATION * into.voxel_m
    half_m = 0.5 * (BLOCK - 1) * into.voxel_m
    reach_m = np.sqrt(3.0) * half_m
    while True:
        block = fetch_add(counter)
        if block >= across * up * deep:
            break
        i0, j0, k0 = block // (up * deep) * BLOCK, block // deep % up * BLOCK, block % deep * BLOCK
        x = into.origin[0] + i0 * into.voxel_m + half_m
        y = into.origin[1] + j0 * into.voxel_m + half_m
        z = into.origin[2] + k0 * into.voxel_m + half_m
        clear = np.float32(0)  # how many views see nothing but clear space in the block
        for view in range(len(seen.depths)):
            depth_m, near, far = _range_of_block(seen, view, x, y, z, reach_m)
            if far < depth_m - reach_m - truncation_m:
                continue  # behind all that the view sees, or unknown to it, or outside its picture
            if near > depth_m + reach_m + truncation_m:
                clear += np.float32(1)
                continue
            for i in range(i0, i0 + BLOCK):
                for j in range(j0, j0 + BLOCK):
                    _add_view(seen, view, into, i, j, k0)
        if clear > 0:
            into.sums[i0 : i0 + BLOCK, j0 : j0 + BLOCK, k0 : k0 + BLOCK] += clear
            into.weights[i0 : i0 + BLOCK, j0 : j0 + BLOCK, k0 : k0 + BLOCK] += clear
