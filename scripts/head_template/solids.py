"""Skull, ears, neck and shoulders as one smooth implicit surface."""

import numpy as np
from numpy.typing import NDArray
from skimage.measure import marching_cubes

Points = NDArray[np.float64]
Ints = NDArray[np.int64]

BOTTOM = -0.26  # height of the cut through the chest, below the origin
BOTTOM_SLOPE = 0.45  # rise of the cut per metre toward the back, so that a view from below does not see it
VOXEL = 0.006
REGIONS = ("face", "skull", "ear", "neck", "torso", "jaw")


def ellipsoid(p: Points, center: tuple[float, ...], radii: tuple[float, ...]) -> Points:
    """Approximate signed distance of points (..., 3) to an axis-parallel ellipsoid."""
    q = (p - center) / radii
    norm = np.linalg.norm(q, axis=-1)
    gradient = np.linalg.norm(q / radii, axis=-1)
    return np.asarray((norm - 1) * norm / np.maximum(gradient, 1e-9))


def capsule(p: Points, start: tuple[float, ...], end: tuple[float, ...], radius: float) -> Points:
    """Signed distance of points (..., 3) to a segment with round ends."""
    a, b = np.array(start), np.array(end)
    along = np.clip((p - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
    return np.asarray(np.linalg.norm(p - a - along[..., None] * (b - a), axis=-1) - radius)


def blend(a: Points, b: Points, width: float) -> Points:
    """Union of two signed distances, rounded over `width` metres where they meet."""
    share = np.clip(0.5 + 0.5 * (b - a) / width, 0, 1)
    return b + (a - b) * share - width * share * (1 - share)


def solids(p: Points) -> dict[str, Points]:
    """Signed distances of the head's parts at points (..., 3), x ≥ 0, in the head frame."""
    turn = np.radians(25)  # by this angle the rear edge of an ear stands off the skull
    ear = p - [0.081, 0.008, -0.048]
    ear = np.stack(
        [
            ear[..., 0] * np.cos(turn) + ear[..., 2] * np.sin(turn),
            ear[..., 1],
            -ear[..., 0] * np.sin(turn) + ear[..., 2] * np.cos(turn),
        ],
        -1,
    )
    return {
        "skull": ellipsoid(p, (0, 0.045, -0.049), (0.077, 0.088, 0.094)),
        "jaw": ellipsoid(p, (0, -0.030, -0.018), (0.062, 0.066, 0.064)),
        "ear": ellipsoid(ear, (0, 0, 0), (0.007, 0.031, 0.017)),
        "neck": capsule(p, (0, -0.03, -0.056), (0, -0.28, -0.085), 0.055),
        "torso": blend(
            blend(
                capsule(p, (0, -0.210, -0.095), (0.145, -0.232, -0.108), 0.056),  # shoulders
                capsule(p, (0, -0.248, -0.046), (0.105, -0.248, -0.056), 0.058),  # chest
                0.05,
            ),
            ellipsoid(p, (0, -0.265, -0.087), (0.17, 0.11, 0.083)),
            0.03,
        ),
    }


def head_distance(p: Points) -> Points:
    """Signed distance of points (..., 3) to skull, ears, neck and shoulders together."""
    part = solids(p)
    head = blend(blend(part["skull"], part["jaw"], 0.05), part["ear"], 0.010)
    body = blend(part["neck"], part["torso"], 0.05)
    cut = BOTTOM - BOTTOM_SLOPE * p[..., 2] - p[..., 1]
    return np.maximum(blend(head, body, 0.035), cut)


def half_surface() -> tuple[Points, Ints]:
    """Vertices and triangles of the part x ≥ 0 of the implicit surface, cut exactly at x = 0."""
    low, high = np.array([0.0, BOTTOM - 4 * VOXEL, -0.21]), np.array([0.27, 0.16, 0.10])
    counts = np.ceil((high - low) / VOXEL).astype(int) + 1
    axes = [start + VOXEL * np.arange(count) for start, count in zip(low, counts, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    distance = head_distance(grid)
    vertices, faces, _, _ = marching_cubes(  # type: ignore[no-untyped-call]
        distance, 0.0, spacing=(VOXEL,) * 3, allow_degenerate=False
    )
    return vertices.astype(np.float64) + low, faces.astype(np.int64)


def regions(vertices: Points) -> Ints:
    """Index (V,) into `REGIONS`: the landmarks are the face, other vertices belong to the nearest solid."""
    p = np.abs(vertices) * [1, 0, 0] + vertices * [0, 1, 1]
    part = solids(p)
    nearest = np.asarray(np.argmin([part[name] for name in REGIONS[1:]], axis=0) + 1)
    nearest[:478] = 0
    return nearest
