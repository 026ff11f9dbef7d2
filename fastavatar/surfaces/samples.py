"""Points about a surface with signed distances, normals and colours, and how they are shown."""

from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastavatar.errors import InputError
from fastavatar.geometry import unit_vectors

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

Coloring = Literal[
    "colour",  # of the surface
    "normal",  # x, y, z of −1…1 as red, green, blue
    "distance",  # blue inside, white on the surface, red outside
    "inside",  # as `distance`, and only points with a negative one
    "outside",  # as `distance`, and only points with a positive one
]
NEEDS: dict[Coloring, str] = {
    "colour": "colors",
    "normal": "normals",
    "distance": "distances",
    "inside": "distances",
    "outside": "distances",
}
"""The field of `CloudSamples` that each colouring shows."""

UNKNOWN_GREY = 150
"""Grey of points without the value that is to be shown."""
INSIDE, SURFACE, OUTSIDE = (
    np.array(rgb, np.float32) for rgb in ((33, 102, 172), (247, 247, 247), (178, 24, 43))
)
"""Ends and middle of ColorBrewer's diverging scale RdBu, which colour-blind people can tell apart."""
REACH_QUANTILE = 0.98  # of |distance| gets the full colour: a few far points do not bleach all others


@dataclass(frozen=True)
class CloudSamples:
    """N points in the head frame, metres; raises `InputError` for shapes that do not match."""

    points: Floats
    """(N, 3)"""
    distances: Floats | None = None
    """(N,) metres to the surface, negative inside."""
    normals: Floats | None = None
    """(N, 3) unit directions in which the distance grows."""
    colors: Bytes | None = None
    """(N, 3) sRGB."""

    def __post_init__(self) -> None:
        """Check the shapes."""
        wanted = {"points": (len(self.points), 3), "distances": (len(self.points),)}
        for field in fields(self):
            values, shape = getattr(self, field.name), wanted.get(field.name, (len(self.points), 3))
            if values is not None and values.shape != shape:
                raise InputError(f"{field.name} must have shape {shape}, found {values.shape}")

    def __len__(self) -> int:
        """Number of points, N."""
        return len(self.points)

    def subset(self, index: slice | NDArray[np.bool_] | NDArray[np.int64]) -> "CloudSamples":
        """The points that `index` selects."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        chosen: dict[str, Any] = {name: None if one is None else one[index] for name, one in values.items()}
        return CloudSamples(**chosen)


def shuffled(samples: CloudSamples, seed: int = 0) -> CloudSamples:
    """The points in a random order, so that the first ones of any number are spread like all of them."""
    return samples.subset(np.random.default_rng(seed).permutation(len(samples)))


def thinned(samples: CloudSamples, share: float) -> CloudSamples:
    """The first `share`, 0…1, of the points, at least one."""
    return samples.subset(slice(max(1, round(share * len(samples)))))


def projected(samples: CloudSamples) -> CloudSamples:
    """The points moved onto the surface: p − d n. Unchanged where distances or normals are unknown."""
    if samples.distances is None or samples.normals is None:
        return samples
    points = samples.points - samples.distances[:, None] * samples.normals
    return CloudSamples(points.astype(np.float32), samples.distances, samples.normals, samples.colors)


def reach_of(samples: CloudSamples) -> float:
    """The |distance| in metres that gets the full colour; 0 where distances are unknown."""
    if samples.distances is None:
        return 0.0
    return float(np.quantile(np.abs(samples.distances), REACH_QUANTILE))


def painted(samples: CloudSamples, coloring: Coloring, reach_m: float) -> tuple[Floats, Bytes]:
    """Places (M, 3) in metres and colours (M, 3) of the points that `coloring` shows.

    Distances of `reach_m` and more have the full colour. Points without the value are all shown, in grey.
    """
    values = getattr(samples, NEEDS[coloring])
    if values is None:
        return samples.points, np.full((len(samples), 3), UNKNOWN_GREY, np.uint8)
    if coloring == "colour":
        return samples.points, values
    if coloring == "normal":
        return samples.points, _bytes((unit_vectors(values) + 1) * 127.5)
    chosen = slice(None) if coloring == "distance" else (values < 0) if coloring == "inside" else (values > 0)
    share = np.clip(values[chosen] / max(reach_m, 1e-9), -1, 1)[:, None]
    end = np.where(share < 0, INSIDE, OUTSIDE)
    return samples.points[chosen], _bytes(SURFACE + np.abs(share) * (end - SURFACE))


def _bytes(colors: NDArray[np.floating]) -> Bytes:
    return np.asarray(np.clip(np.rint(colors), 0, 255), np.uint8)
