"""A capture's folder: pictures, masks, cameras, points and the true surface, written whole or not at all.

images/NN.png      sRGB with transparency
fg_masks/NN.png    coverage
transforms.json    cameras: OpenGL axes, camera to world, metres
points3d.ply       points on the surface
mesh.npz           the true surface and what it was made from
"""

import io
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastavatar.core import Camera
from fastavatar.geometry import Array
from fastavatar.system import abandoned, encode_ply_elements, made_folder, partial, refusals_in_one_line

TERMS = "TERMS.txt"
"""Name of the file in a folder of captures that says under which terms they may be used."""
Pictures = Sequence[tuple[Camera, NDArray[np.uint8]]]
"""Cameras, each with its picture (H, W, 4): sRGB, not multiplied by the coverage in alpha."""


def is_capture(folder: Path) -> bool:
    """Whether a capture was written there; it is never there in part."""
    return (folder / "transforms.json").is_file()


def write_capture(folder: Path, pictures: Pictures, points: Array, mesh: Mapping[str, NDArray[Any]]) -> None:
    """Write a capture with points (P, 3) and the arrays of `mesh.npz`; its folder appears when it is whole.

    Raises `FastAvatarError` where the file system refuses.
    """
    with refusals_in_one_line(folder), made_folder(folder.parent):
        for left in abandoned(folder.parent, folder.name):
            shutil.rmtree(left, ignore_errors=True)
        with partial(folder.parent, folder.name, as_folder=True) as hidden:
            work = hidden / "work"
            try:
                _write(work, pictures, points, mesh)
                os.rename(work, folder)
            finally:
                shutil.rmtree(work, ignore_errors=True)


def _write(folder: Path, pictures: Pictures, points: Array, mesh: Mapping[str, NDArray[Any]]) -> None:
    (folder / "images").mkdir(parents=True)
    (folder / "fg_masks").mkdir()
    frames = []
    for index, (camera, picture) in enumerate(pictures):
        name = f"{index:02d}.png"
        Image.fromarray(picture).save(folder / "images" / name)
        Image.fromarray(picture[..., 3]).save(folder / "fg_masks" / name)
        frames.append(_frame(camera, name))
    content = {"ply_file_path": "points3d.ply", "frames": frames}
    (folder / "transforms.json").write_text(json.dumps(content, indent=1))
    rows = np.array([tuple(point) for point in points.tolist()], [(axis, "<f4") for axis in "xyz"])
    (folder / "points3d.ply").write_bytes(encode_ply_elements({"vertex": rows}))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **mesh)
    (folder / "mesh.npz").write_bytes(buffer.getvalue())


def _frame(camera: Camera, name: str) -> dict[str, Any]:
    to_opengl = np.diag([1.0, -1.0, -1.0, 1.0])
    camera_to_world = np.linalg.inv(to_opengl @ camera.world_to_camera.double().numpy())
    return {
        "file_path": f"images/{name}",
        "fg_mask_path": f"fg_masks/{name}",
        "fl_x": float(camera.K[0, 0]),
        "fl_y": float(camera.K[1, 1]),
        "cx": float(camera.K[0, 2]),
        "cy": float(camera.K[1, 2]),
        "w": camera.width,
        "h": camera.height,
        "transform_matrix": camera_to_world.tolist(),
    }
