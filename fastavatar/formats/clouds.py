"""Reads clouds of points: signed-distance samples and points in `.npz`, PLY files, meshes and splats."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastavatar.errors import InputError
from fastavatar.surfaces import CloudSamples
from fastavatar.system import read_npz, read_ply_elements

Cloud = Mapping[str, CloudSamples]
"""The sets of a cloud by name: `near` and `far` for signed-distance samples, else `points`."""

SETS = ("near", "far")
"""The sets of signed-distance samples: points close to the surface, and points anywhere about it."""
FIELDS = ("points", "distances", "normals", "colors")
MESH_POINTS = 200_000
"""Points spread over a mesh that is shown as a cloud."""
_SPLATS = {"opacity", "packed_position", "f_dc_0"}


def read_cloud(path: str | Path) -> Cloud:
    """The cloud in a file, head frame, metres.

    An `.npz` holds `points` (N, 3) and any of `distances` (N,), `normals` (N, 3) and `colors` (N, 3), sRGB as
    bytes or in 0…1; or these arrays twice, with names that begin with `near_` and `far_`. A `.ply` holds
    points with or without normals and colours, Gaussians, or a mesh, over which points are spread. Splats of
    other formats give their centres.

    Raises `InputError` when the file is missing, damaged, empty or not finite, `UsageError` for an unknown
    ending.
    """
    path = Path(path)
    ending = path.suffix.lower()
    try:
        if ending == ".npz" and (arrays := _cloud_arrays(path)):
            return arrays
        from fastavatar.formats import holds_mesh  # here, as it loads torch

        if ending == ".ply" and not holds_mesh(path) and (points := _plain_points(path)):
            return {"points": points}
        return {"points": _of_mesh(path) if holds_mesh(path) else _of_splats(path)}
    except InputError as error:
        text = str(error)
        raise InputError(text if str(path) in text else f"cannot read {path}: {text}") from None


def _cloud_arrays(path: Path) -> Cloud:
    """The sets of an npz; none where it holds no points, as one of Gaussians."""
    prefixes = ("", *(f"{name}_" for name in SETS))
    arrays = read_npz(path, [prefix + field for prefix in prefixes for field in FIELDS])
    found = {}
    for prefix in prefixes:
        given = {field: arrays[prefix + field] for field in FIELDS if prefix + field in arrays}
        if "points" in given:
            found[prefix.rstrip("_") or "points"] = _samples(given)
    return found


def _plain_points(path: Path) -> CloudSamples | None:
    """The points of a PLY; None where it holds Gaussians."""
    rows = read_ply_elements(path, ("vertex",)).rows.get("vertex")
    names = set(rows.dtype.names or ()) if rows is not None else set()
    if rows is None or _SPLATS & names:
        return None
    if not {"x", "y", "z"} <= names:
        raise InputError("it has no element vertex with x, y and z")
    columns = {"points": "x y z", "normals": "nx ny nz", "colors": "red green blue"}
    there = {field: text.split() for field, text in columns.items() if set(text.split()) <= names}
    return _samples({field: np.stack([rows[name] for name in text], 1) for field, text in there.items()})


def _of_mesh(path: Path) -> CloudSamples:
    """Points spread evenly over a mesh."""
    from fastavatar.formats import read_mesh

    mesh = read_mesh(path)
    spread = mesh.sample(MESH_POINTS)
    given = {"points": spread.at(mesh.vertices).numpy(), "normals": spread.at(mesh.normals()).numpy()}
    if mesh.colors is not None:
        given["colors"] = spread.at(mesh.colors).numpy()
    return _samples(given)


def _of_splats(path: Path) -> CloudSamples:
    """The centres of Gaussians and the colours that they have from everywhere."""
    from fastavatar.core import decode_colors
    from fastavatar.formats import read_gaussians

    gaussians = read_gaussians(path)
    return _samples({"points": gaussians.means.numpy(), "colors": decode_colors(gaussians.sh[:, 0]).numpy()})


def _samples(given: Mapping[str, NDArray[np.generic]]) -> CloudSamples:
    """Arrays by the names of `FIELDS` as samples; raises `InputError` for what are no finite numbers."""
    values: dict[str, Any] = {}
    for name, array in given.items():
        if array.dtype.kind not in "biuf" or not len(array):
            raise InputError(f"{name} must be numbers, at least one row: found {array.dtype} {array.shape}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InputError(f"{name} are not finite")
        values[name] = _as_bytes(array) if name == "colors" else array.astype(np.float32)
    return CloudSamples(**values)


def _as_bytes(colors: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Colours as bytes; numbers with a point are in 0…1."""
    if colors.dtype.kind != "f":
        return np.asarray(np.clip(colors, 0, 255), np.uint8)
    return np.asarray(np.clip(np.rint(colors.astype(np.float32) * 255), 0, 255), np.uint8)
