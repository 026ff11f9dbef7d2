"""Finds COLMAP models and turns them into frames with cameras."""

from pathlib import Path

import torch

from fastavatar.captures import (
    MODELS,
    Calibration,
    ColmapCamera,
    ColmapImage,
    Frame,
    is_file,
    is_folder,
    lens_from,
    names_in,
    parse_colmap,
    path_from,
    shown,
)
from fastavatar.errors import InputError

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

    Raises `InputError` with the file, and with the image if the error is in one.
    """
    found = parse_colmap(model)
    if not found.images:
        raise InputError(f"{model}: the COLMAP model has no image with a pose")
    if not bool(torch.isfinite(found.points).all()):
        raise InputError(f"{model}: a point of the COLMAP model is not finite")
    frames = [_frame(model, folder, image, found.cameras[image.camera_id]) for image in found.images.values()]
    return Calibration(frames, found.points if len(found.points) else None)


def _frame(model: Path, folder: Path, image: ColmapImage, camera: ColmapCamera) -> Frame:
    """One image with its camera."""
    source = f"{model}: image {image.name if image.name.isprintable() else shown(image.name)}"
    values = dict(zip(MODELS.get(camera.model, ()), camera.parameters, strict=False))
    try:
        lens = lens_from(camera.model, values)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    focal = (values.get("fx", values.get("f", 0.0)), values.get("fy", values.get("f", 0.0)))
    return Frame(
        source,
        path_from(folder / "images", image.name, f"{source}: its name"),
        None,
        focal,
        (values["cx"], values["cy"]),
        camera.size,
        lens,
        image.world_to_camera,
    )
