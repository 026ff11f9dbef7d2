"""`surface.npz`: the samples of one subject in a file of 25 MB.

| array | type | content |
|---|---|---|
| `near_points`, `far_points` | float32 (N, 3) | metres, head frame |
| `near_distances`, `far_distances` | float32 (N,) | metres, negative inside, 0 on the surface |
| `near_normals`, `far_normals` | float16 (N, 3) | outward unit normal of the nearest triangle |
| `near_colors`, `far_colors` | uint8 (N, 3) | sRGB of the nearest point of the surface |
| `center`, `radius` | float32 (3,), () | the unit sphere, metres |
| `seed` | int64 () | the samples are made again from it and the mesh |

The arrays are not compressed: random numbers hardly shrink, and a training run reads them often.
"""

from dataclasses import fields
from pathlib import Path

import numpy as np

from fastavatar.errors import InputError
from fastavatar.models.surface import CENTER_M, RADIUS_M
from fastavatar.system import read_npz, replacing
from fastavatar.train.surfaces import PointSet, SurfaceSamples

SAMPLES = "surface.npz"
"""Name of the file in a subject's folder."""
_SETS = ("near", "far")
_ARRAYS = tuple(field.name for field in fields(PointSet))


def write_samples(samples: SurfaceSamples, path: Path, seed: int) -> None:
    """Write the file as a whole; the same samples give the same bytes."""
    arrays = {f"{one}_{name}": getattr(getattr(samples, one), name) for one in _SETS for name in _ARRAYS}
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez(
            file,
            allow_pickle=False,
            center=np.array(CENTER_M, np.float32),
            radius=np.float32(RADIUS_M),
            seed=np.int64(seed),
            **arrays,
        )


def read_samples(path: Path) -> SurfaceSamples:
    """The samples in the file; raises `InputError` when it is missing, damaged or of another layout."""
    arrays = read_npz(path)
    try:
        sets = [PointSet(*(arrays[f"{one}_{name}"] for name in _ARRAYS)) for one in _SETS]  # type: ignore[arg-type]
    except KeyError as error:
        raise InputError(f"cannot read {path}: it has no array {error}") from None
    for one in sets:
        found = tuple(getattr(one, name).shape for name in _ARRAYS)
        count = len(one.points)
        if not count or found != ((count, 3), (count,), (count, 3), (count, 3)):
            raise InputError(
                f"cannot read {path}: points, distances, normals and colours do not match {found}"
            )
    return SurfaceSamples(*sets)
