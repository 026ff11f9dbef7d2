"""Gaussians as a `.glb` file: points of a binary glTF with the extension KHR_gaussian_splatting.

In glTF y is up and the front faces +z. As in PlayCanvas' converter, a PLY is half a turn about z from these
axes, so a .glb in the frame `supersplat` has the axes of the head frame.
Source: the description of the extension in github.com/KhronosGroup/glTF.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastavatar.core import Gaussians, decode_colors
from fastavatar.formats.splats import (
    LARGEST_M,
    Frame,
    canonical_quaternions,
    encode_unit,
    head_to_frame,
    to_be_stored,
)
from fastavatar.system import pack_glb

EXTENSION = "KHR_gaussian_splatting"
FLOAT, UNSIGNED_BYTE, ARRAY_BUFFER, POINTS = 5126, 5121, 34962, 0
KINDS = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}


def encode_glb(gaussians: Gaussians, frame: Frame) -> bytes:
    """The file's bytes, in the order given.

    Raises `InputError` for no Gaussians or non-finite ones, `UsageError` for an unknown frame.
    """
    g = to_be_stored(to_be_stored(gaussians, frame).rotated(head_to_frame("supersplat")), "head")
    opacities = g.opacities.numpy()[:, None]
    colors = np.concatenate([decode_colors(g.sh[:, 0]).numpy(), opacities], 1)
    columns: dict[str, NDArray[np.generic]] = {
        "POSITION": g.means.numpy(),
        "COLOR_0": encode_unit(colors, 8).astype(np.uint8),  # for viewers that draw only points
        f"{EXTENSION}:ROTATION": canonical_quaternions(g.quats_wxyz).numpy()[:, [1, 2, 3, 0]],
        f"{EXTENSION}:SCALE": g.scales.clamp(max=LARGEST_M).numpy(),
        f"{EXTENSION}:OPACITY": opacities,
    }
    for degree in range(g.sh_degree + 1):
        for index in range(2 * degree + 1):
            columns[f"{EXTENSION}:SH_DEGREE_{degree}_COEF_{index}"] = g.sh[:, degree**2 + index].numpy()
    content = b"".join(values.tobytes() for values in columns.values())  # all are multiples of 4 bytes
    return pack_glb(_document(columns, len(content)), content)


def losses(gaussians: Gaussians) -> tuple[str, ...]:
    """What of these Gaussians the format cannot hold, one sentence each."""
    huge = int((gaussians.scales > LARGEST_M).any(1).sum())
    smaller = (f"{huge} Gaussians larger than {LARGEST_M:g} m are made smaller",) if huge else ()
    return ("the file cannot state its frame", *smaller)


def _document(columns: dict[str, NDArray[np.generic]], size_bytes: int) -> dict[str, Any]:
    """The JSON part of a glTF whose one buffer holds `columns` (N, C), one after the other."""
    views: list[dict[str, Any]] = []
    accessors: list[dict[str, Any]] = []
    start = 0
    for name, values in columns.items():
        views.append({"buffer": 0, "byteOffset": start, "byteLength": values.nbytes, "target": ARRAY_BUFFER})
        start += values.nbytes
        accessor: dict[str, Any] = {
            "bufferView": len(accessors),
            "componentType": UNSIGNED_BYTE if values.dtype == np.uint8 else FLOAT,
            "count": len(values),
            "type": KINDS[values.shape[1]],
        }
        if values.dtype == np.uint8:
            accessor["normalized"] = True
        if name == "POSITION":  # the only attribute whose bounds glTF requires
            accessor |= {"min": values.min(0).tolist(), "max": values.max(0).tolist()}
        accessors.append(accessor)
    primitive = {
        "attributes": {name: place for place, name in enumerate(columns)},
        "mode": POINTS,
        "extensions": {
            EXTENSION: {
                "kernel": "ellipse",
                "colorSpace": "srgb_rec709_display",
                "sortingMethod": "cameraDistance",
                "projection": "perspective",
            }
        },
    }
    return {
        "asset": {"version": "2.0", "generator": "fastavatar"},
        "extensionsUsed": [EXTENSION],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [primitive]}],
        "buffers": [{"byteLength": size_bytes}],
        "bufferViews": views,
        "accessors": accessors,
    }
