"""Reads a folder by any tool as one `Capture`.

path ─ _located ─┬─ transforms.py ─┬─▶ Calibration ─ arranged ─▶ frames ─┬─ Views ─▶ views of the Capture
                 └─ colmap.py ─────┘                                     └─▶ names and cameras
"""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from fastavatar.captures import (
    Calibration,
    Capture,
    Views,
    arranged,
    find_models,
    folder_of,
    is_file,
    is_folder,
    is_model,
    names_in,
    picture_size,
    read_colmap,
    read_flame,
    read_mesh,
    read_points,
    read_transforms,
    require_own_images,
    timesteps_in,
)
from fastavatar.core import Camera
from fastavatar.errors import InputError, UsageError

log = logging.getLogger(__name__)

Source = Literal[
    "auto",  # transforms.json if there is one, else COLMAP, else transforms_train.json
    "transforms",  # transforms.json, else transforms_train.json
    "colmap",  # sparse/0, or sparse
]
TRANSFORMS = "transforms.json"
NERF_TRANSFORMS = "transforms_train.json"
"""Name in the data of the original NeRF code, which has one file per split and none with all views."""


def read_capture(
    folder: str | Path,
    source: Source = "auto",
    timestep: int | None = None,
    on_broken: Callable[[InputError], None] | None = None,
) -> Capture:
    """Read a capture: cameras and surfaces at once, the views' pictures when they are used.

    `folder` is a capture folder, one of its transforms.json files, or one of its COLMAP models. The layout is
    the one that VHAP and the NeRSemble exports use: `transforms.json` or a COLMAP model in `sparse/0`,
    pictures where these say, and, where there are any, `points3d.ply`, `mesh.npz` and FLAME parameters. Both
    sources give the same views. From a sequence one time step is read: that of index `timestep`, by default
    the first. With `on_broken`, views whose pictures cannot be used are left out, and it gets their errors.

    Raises `InputError` naming the file and the frame for anything missing, damaged or contradictory, and
    for cameras that are singular, mirrored or of an unknown model; `UsageError` for a time step that the
    capture does not have.
    """
    place, calibration = _calibration(Path(folder), source, timestep)
    require_own_images(calibration.frames)
    views = Views(calibration.frames, on_broken)
    _say_masks(place.folder, [view.has_mask for view in views])
    points_path, mesh_path = _points_path(place.folder, calibration), place.folder / "mesh.npz"
    points = read_points(points_path)
    flame_path = calibration.flame_path or _first_flame(place.folder)
    surfaces = [points_path, mesh_path, *([flame_path] if flame_path else [])]
    return Capture(
        place.folder,
        views,
        calibration.points if points is None else points,
        read_mesh(mesh_path),
        {} if flame_path is None else read_flame(flame_path),
        _files(place, calibration).union(Path(os.path.realpath(path)) for path in surfaces),
    )


def timesteps_of(folder: str | Path) -> tuple[int, ...]:
    """Indices of the time steps of a capture that is a sequence; empty for one that is none.

    Raises as `read_capture` does where there is no calibration.
    """
    place = _located(Path(folder), "auto")
    return () if is_folder(place.calibration) else timesteps_in(place.calibration)


@dataclass(frozen=True)
class Cameras:
    """The cameras of a calibration, without its pictures."""

    views: list[tuple[str, Camera]]
    """Name and camera of every view, the same and in the same order as those of `read_capture`."""
    files: frozenset[Path]
    """The files that the calibration consists of and names: itself, images and masks, links resolved. A
    COLMAP model is its folder and all files in it."""


def read_cameras(path: str | Path, timestep: int | None = None) -> Cameras:
    """The cameras of a capture.

    Pictures are opened only if the calibration does not state their size. Raises as `read_capture` does.
    """
    place, calibration = _calibration(Path(path), "auto", timestep)
    views = [(frame.name, frame.camera(*picture_size(frame))) for frame in calibration.frames]
    return Cameras(views, _files(place, calibration))


@dataclass(frozen=True)
class _Place:
    """The place of a capture."""

    folder: Path
    """The capture's folder."""
    calibration: Path
    """Its JSON file, or the folder of its COLMAP model."""


def _calibration(path: Path, source: Source, timestep: int | None) -> tuple[_Place, Calibration]:
    """The place of the capture at `path`, and its calibration with sorted, named frames."""
    place = _located(path, source)
    if is_folder(place.calibration):
        if timestep is not None:
            raise UsageError(f"{place.calibration} has no time step {timestep}: it is not a sequence")
        found = read_colmap(place.calibration, place.folder)
    else:
        found = read_transforms(place.calibration, timestep)
    return place, replace(found, frames=arranged(found.frames, place.folder))


def _files(place: _Place, calibration: Calibration) -> frozenset[Path]:
    named = [path for frame in calibration.frames for path in (frame.image_path, frame.mask_path)]
    model = place.calibration.iterdir() if is_folder(place.calibration) else ()
    return frozenset(
        Path(os.path.realpath(path)) for path in (place.calibration, *model, *named) if path is not None
    )


def _located(path: Path, source: Source) -> _Place:
    """The place of the capture at `path`, which is a folder, a JSON file or a COLMAP model."""
    if not is_folder(path):
        if is_file(path) or path.suffix.lower() == ".json":  # reading it reports a missing file
            return _Place(path.parent, path)
        raise InputError(f"there is no capture folder {path}")
    if is_model(path):
        return _Place(folder_of(path), path)
    named, split = path / TRANSFORMS, path / NERF_TRANSFORMS
    if source != "colmap" and is_file(named):
        return _Place(path, named)
    models = [] if source == "transforms" else find_models(path)
    if models:
        if len(models) > 1:
            others = ", ".join(model.name for model in models[1:])
            log.warning(
                "%s holds %d COLMAP models: only %s is read; for another (%s) give its folder as the capture",
                *(models[0].parent, len(models), models[0].name, others),
            )
        return _Place(path, models[0])
    if source != "colmap" and is_file(split):
        log.warning("%s has no %s: the views of %s are read", path, TRANSFORMS, NERF_TRANSFORMS)
        return _Place(path, split)
    raise InputError(f"{path} is no capture: it has neither {TRANSFORMS} nor sparse/0 nor {NERF_TRANSFORMS}")


def _points_path(folder: Path, calibration: Calibration) -> Path:
    """Path of the PLY that the calibration names, else of VHAP's; the file need not exist."""
    named = calibration.points_path
    if named is not None and is_file(named):
        return named
    if named is not None:
        log.warning("the calibration names points in %s, but there is no such file", named)
    return folder / "points3d.ply"


def _first_flame(folder: Path) -> Path | None:
    """The first file of FLAME parameters, None where there is none."""
    parameters = folder / "flame_param"
    return next((parameters / name for name in names_in(parameters) if name.endswith(".npz")), None)


def _say_masks(folder: Path, have: list[bool]) -> None:
    """Log how many views have masks, as a warning where only some have."""
    said = f"{sum(have)} of {len(have)} views of {folder} have masks"
    if 0 < sum(have) < len(have):
        log.warning("%s: masked metrics of the others cover their whole images", said)
    else:
        log.info("%s", said)
