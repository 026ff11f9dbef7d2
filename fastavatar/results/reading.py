"""Reads an avatar back from its folder of results."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fastavatar.core import Avatar, Camera, Face, Photo, Provenance
from fastavatar.errors import InputError
from fastavatar.formats.splats import read_ply
from fastavatar.results import HEAD, SPLATS, SUMMARY, own_results, read_head
from fastavatar.system import read_npy


def read_avatar(folder: str | Path) -> Avatar:
    """The avatar whose results lie in `folder`: Gaussians in the head frame, camera, mesh, binding and head.

    The photo is not among the results: its picture is blank, at the size that it had. Results of a model
    that fits no mesh, and of earlier versions, have neither mesh nor binding. Raises `InputError`, with the
    name of the file, for a folder that is incomplete, damaged, or was changed since the run that wrote it.
    """
    folder = Path(folder)
    if not (folder / SUMMARY).is_file():
        raise InputError(f"cannot read {folder}: it holds no results, as there is no {SUMMARY}")
    unchanged = own_results(folder)
    if SUMMARY not in unchanged:
        raise InputError(f"cannot read {folder / SUMMARY}: this program did not write it, or it was changed")
    summary = json.loads((folder / SUMMARY).read_bytes())
    listed = summary["checksums"]
    if SPLATS not in listed:
        raise InputError(f"cannot read {folder}: it was written without {SPLATS}")
    for name in sorted(listed):
        if name not in unchanged and name.endswith((".npy", ".npz", ".ply")):
            raise InputError(
                f"cannot read {folder / name}: it is missing, or was changed since it was written"
            )
    mesh, binding, head = read_head(folder / HEAD) if HEAD in listed else (None, None, None)
    arrays = {
        Path(name).stem: read_npy(folder / name).astype(np.float32)
        for name in listed
        if name.endswith(".npy")
    }
    gaussians = read_ply(folder / SPLATS)
    try:
        camera, photo, face, made = _camera(summary), _photo(summary), _face(summary), _provenance(summary)
        return Avatar(gaussians, camera, photo, face, made, arrays, mesh=mesh, binding=binding, head=head)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"cannot read {folder}: {error}") from error


def _camera(summary: Mapping[str, Any]) -> Camera:
    stated = summary["camera"]
    K, world_to_camera = (torch.tensor(stated[name]) for name in ("K", "world_to_camera"))
    return Camera(K, world_to_camera, stated["width"], stated["height"])


def _photo(summary: Mapping[str, Any]) -> Photo:
    stated = summary["image"]
    blank = np.broadcast_to(np.uint8(255), (stated["height"], stated["width"], 3))  # takes no memory
    return Photo(blank, None, stated["focal_px_from_exif"], Path(summary["image_path"]))


def _face(summary: Mapping[str, Any]) -> Face | None:
    stated = summary["face"]
    return stated and Face(stated["index"], stated["count"], tuple(stated["box"]))


def _provenance(summary: Mapping[str, Any]) -> Provenance:
    names = ("model", "licence", "seed", "device", "seconds")
    return Provenance(**{name: summary[name] for name in names}, warnings=tuple(summary["warnings"]))
