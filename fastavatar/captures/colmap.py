"""COLMAP models, read by pycolmap (`pip install '.[colmap]'`)."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fastavatar.captures.frames import Frame, find_mask
from fastavatar.captures.lens import MODELS, lens_from
from fastavatar.errors import FastAvatarError, InputError


def read_colmap(model: Path, folder: Path) -> tuple[list[Frame], Tensor | None]:
    """The frames and points (P, 3), by their ids, of the model in `model`; pictures lie in `folder`.

    Raises `InputError` naming the file, and the image where one is at fault; `FastAvatarError` where
    pycolmap is not installed.
    """
    try:
        import pycolmap
    except ImportError as error:
        raise FastAvatarError(f"reading {model} needs pycolmap: pip install pycolmap") from error
    try:
        reconstruction = pycolmap.Reconstruction(model)
    except (ValueError, IndexError, RuntimeError) as error:  # what pycolmap raises on damaged files
        raise InputError(f"cannot read the COLMAP model in {model}: {error}") from error
    frames = [
        _frame(model, folder, image, reconstruction.cameras[image.camera_id])
        for image in reconstruction.images.values()
        if image.has_pose
    ]
    if not frames:
        raise InputError(f"{model}: the COLMAP model has no image with a pose")
    points = [reconstruction.points3D[key].xyz for key in sorted(reconstruction.points3D)]
    return frames, torch.from_numpy(np.array(points)).float() if points else None


def _frame(model: Path, folder: Path, image: Any, camera: Any) -> Frame:
    """One registered image with its camera."""
    source = f"{model}: image {image.name}"
    values = dict(zip(MODELS.get(camera.model_name, ()), map(float, camera.params), strict=False))
    try:
        lens = lens_from(camera.model_name, values)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    focal = (values.get("fx", values.get("f", 0.0)), values.get("fy", values.get("f", 0.0)))
    world_to_camera = torch.eye(4, dtype=torch.float64)
    world_to_camera[:3] = torch.from_numpy(np.array(image.cam_from_world().matrix()))
    return Frame(
        source,
        folder / "images" / image.name,
        find_mask(folder, image.name),
        focal,
        (values["cx"], values["cy"]),
        (int(camera.width), int(camera.height)),
        lens,
        world_to_camera,
    )
