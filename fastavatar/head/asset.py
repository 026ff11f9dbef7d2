"""Reads the packaged parametric head. `python -m scripts.head` makes the file."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from fastavatar.errors import InputError
from fastavatar.geometry import Array, Ints
from fastavatar.head import LandmarkPlaces, ParametricHead

HEAD_FORMAT = 1
"""The layout of the file; another number means another layout."""

_Stored = Mapping[str, NDArray[np.generic]]


@cache
def load_head() -> ParametricHead:
    """The parametric head that ships with the package."""
    with files(__package__).joinpath("head.npz").open("rb") as file, np.load(file) as data:
        return decoded(dict(data))


def decoded(data: _Stored) -> ParametricHead:
    """A head from the arrays of its file. Raises `InputError` for a layout of another number."""
    if int(data["format"]) != HEAD_FORMAT:
        raise InputError(f"the head has layout {int(data['format'])}, this program reads {HEAD_FORMAT}")
    reach = data["reach"].astype(np.float32)
    return ParametricHead(
        mean=_floats(data, "mean"),
        modes=_movements(data, "modes", "mode_scales") * reach[:, None],
        actions=_movements(data, "actions", "action_scales"),
        faces=_ints(data, "faces"),
        parts=_ints(data, "parts"),
        regions=_ints(data, "regions"),
        mirror=_ints(data, "mirror"),
        uv=_floats(data, "uv") / 65535,
        uv_faces=_ints(data, "uv_faces"),
        weights=_floats(data, "weights") / 255,
        joints=_floats(data, "joints"),
        joint_modes=data["joint_modes"].astype(np.float32),
        places=LandmarkPlaces(
            _ints(data, "landmark_corners"),
            _floats(data, "landmark_weights"),
            _ints(data, "landmark_mirror"),
            _floats(data, "landmark_yaws"),
            _floats(data, "landmark_bias"),
            _floats(data, "landmark_sigma"),
        ),
        part_names=tuple(str(name) for name in data["part_names"]),
        region_names=tuple(str(name) for name in data["region_names"]),
        joint_names=tuple(str(name) for name in data["joint_names"]),
    )


def _movements(data: _Stored, name: str, scales: str) -> NDArray[np.float32]:
    """Movements (N, V, 3) from 8-bit integers and the length of a step of each."""
    return data[name].astype(np.float32) * data[scales].astype(np.float32)[:, None, None]


def _floats(data: _Stored, name: str) -> Array:
    return data[name].astype(np.float64)


def _ints(data: _Stored, name: str) -> Ints:
    return data[name].astype(np.int64)
