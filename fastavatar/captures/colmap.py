"""Reads COLMAP models with pycolmap (`pip install '.[colmap]'`)."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fastavatar.captures import (
    MODELS,
    Calibration,
    Frame,
    is_file,
    is_folder,
    lens_from,
    names_in,
    path_from,
    require_whole_model,
    shown,
)
from fastavatar.errors import FastAvatarError, InputError

log = logging.getLogger(__name__)

_PLACES = ("sparse", "colmap/sparse")  # COLMAP's own and nerfstudio's


def is_model(folder: Path) -> bool:
    """Whether a folder holds a COLMAP model, binary or text."""
    return any(is_file(folder / f"cameras{ending}") for ending in (".bin", ".txt"))


def find_models(folder: Path) -> list[Path]:
    """The COLMAP models of a capture folder by number: `sparse/0`, `sparse/1`, …, or `sparse` itself.

    Raises `InputError` where a folder cannot be read.
    """
    for place in _PLACES:
        sparse = folder / place
        numbers = sorted((name for name in names_in(sparse) if name.isdecimal()), key=int)
        found = [sparse / name for name in numbers if is_model(sparse / name)]
        if not found and is_folder(sparse / "0"):  # a damaged model: reading it reports what is missing
            found = [sparse / "0"]
        if found or is_model(sparse):
            return found or [sparse]
    return []


def folder_of(model: Path) -> Path:
    """The capture folder that a model belongs to: the nearest one above it that has a folder `images`."""
    above = list(model.absolute().parents)[:3]
    return next((folder for folder in above if is_folder(folder / "images")), above[0])


def read_colmap(model: Path, folder: Path) -> Calibration:
    """The frames and points (P, 3), by their ids, of the model in `model`; pictures lie in `folder`.

    Raises `InputError` with the file, and with the image if the error is in one; `FastAvatarError` where
    pycolmap is not installed.
    """
    try:
        import pycolmap
    except ImportError as error:
        raise FastAvatarError(f"reading {model} needs pycolmap: pip install pycolmap") from error
    require_whole_model(model)
    try:
        reconstruction = pycolmap.Reconstruction(model)
        registered = [image for image in reconstruction.images.values() if image.has_pose]
        cameras = {image.image_id: reconstruction.cameras[image.camera_id] for image in registered}
        keys = sorted(reconstruction.points3D)
        points = np.array([reconstruction.points3D[key].xyz for key in keys], np.float32).reshape(-1, 3)
        for image in registered:
            _ = image.name  # decoded when it is read
    except UnicodeDecodeError as error:
        raise InputError(
            f"{model}: the name of an image is no UTF-8 text; give the image another name there"
        ) from error
    # The exceptions of pycolmap for damaged files.
    except (ValueError, LookupError, RuntimeError, MemoryError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"cannot read the COLMAP model in {model}: "
            f"its files are damaged or contradict each other ({reason})"
        ) from error
    if not registered:
        raise InputError(f"{model}: the COLMAP model has no image with a pose")
    if not np.isfinite(points).all():
        raise InputError(f"{model}: a point of the COLMAP model is not finite")
    frames = [_frame(model, folder, image, cameras[image.image_id]) for image in registered]
    return Calibration(frames, torch.from_numpy(points) if len(points) else None)


def _frame(model: Path, folder: Path, image: Any, camera: Any) -> Frame:
    """One registered image with its camera."""
    source = f"{model}: image {image.name if image.name.isprintable() else shown(image.name)}"
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
        path_from(folder / "images", image.name, f"{source}: its name"),
        None,
        focal,
        (values["cx"], values["cy"]),
        (int(camera.width), int(camera.height)),
        lens,
        world_to_camera,
    )
