"""`summary.json`: a result, its input and how it was made. `summary.schema.json` here describes it."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fastavatar.core import Avatar, Gaussians, head_turn_deg
from fastavatar.formats.splats import Frame, head_to_frame
from fastavatar.results import SUMMARY, Written
from fastavatar.version import __version__

SCHEMA_VERSION = 1
PACKAGES = ("gsplat", "insightface", "mediapipe", "numba", "numpy", "onnxruntime", "pillow", "scipy", "torch")
"""Packages whose version can change a result."""


@dataclass(frozen=True)
class Run:
    """The facts about a run that only its caller knows."""

    model_reason: str = "named by the caller"
    """Why this model was chosen."""
    started: datetime | None = None
    """When the run began, with its time zone."""
    image: str | None = None
    """Name of the photo, such as its web address, if it was read from another path; None takes that path."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The choices that change the results, JSON-ready; a run that is resumed compares them with its own."""
    inputs: Sequence[str | Path] = ()
    """Files that were read besides the photos, which the results must not overwrite."""


def summarize(
    avatar: Avatar,
    run: Run,
    frame: Frame,
    written: Mapping[str, Written],
    seconds: Mapping[str, float],
    versions: Mapping[str, str],
    peak_memory_mb: float,
) -> dict[str, Any]:
    """The summary, JSON-ready; `docs/conventions.md` lists its fields.

    `frame` is the PLY's, `written` the files beside the summary, `seconds` the time of every stage.
    """
    made, camera, face = avatar.provenance, avatar.camera, avatar.face
    stated = {name: value for facts in made.facts for name, value in facts.for_summary().items()}
    return {
        **stated,
        "schema_version": SCHEMA_VERSION,
        "image_path": run.image or avatar.photo.name,
        "image": {
            "width": avatar.photo.width,
            "height": avatar.photo.height,
            "focal_px_from_exif": avatar.photo.focal_px,
        },
        "num_gaussians": len(avatar.gaussians),
        "splat_statistics": splat_statistics(avatar.gaussians),
        "sh_degree": avatar.gaussians.sh_degree,
        "model": made.model,
        "model_reason": run.model_reason,
        "licence": made.licence,
        "frame": frame,
        "head_to_frame": head_to_frame(frame).tolist(),
        "units": "metres",
        "head_pose": head_pose(camera.world_to_camera),
        "camera": {
            "K": camera.K.tolist(),
            "world_to_camera": camera.world_to_camera.tolist(),
            "width": camera.width,
            "height": camera.height,
        },
        "face": face and {"index": face.index, "count": face.count, "box": list(map(float, face.box))},
        "files": [*written, SUMMARY],
        "checksums": {name: asdict(file) for name, file in written.items()},
        "seed": made.seed,
        "settings": dict(run.settings),
        "device": made.device,
        "started": run.started and run.started.isoformat(timespec="seconds"),
        "seconds": {stage: round(value, 4) for stage, value in seconds.items()},
        "peak_memory_mb": round(peak_memory_mb, 1),
        "versions": dict(versions),
        "warnings": list(made.warnings),
    }


@cache
def versions() -> dict[str, str]:
    """Versions of this program, Python and those of `PACKAGES` that are installed."""
    found = {"fastavatar": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def splat_statistics(gaussians: Gaussians) -> dict[str, float]:
    """The same statistics as the published tool's, each over all numbers of its parameter."""
    g = gaussians.detach()
    return {
        "means_std": float(g.means.std()),
        "scales_mean": float(g.scales.mean()),
        "opacities_mean": float(g.opacities.mean()),
    }


def head_pose(world_to_camera: Tensor) -> dict[str, Any]:
    """The head's pose before a camera (4, 4): the matrix, and three angles that are 0 face to face.

    The angles are those of `head_turn_deg`.
    """
    rotation = world_to_camera[:3, :3].detach().to("cpu", torch.float64)
    yaw, pitch, roll = (round(float(angle), 3) for angle in head_turn_deg(rotation.numpy()))
    return {
        "head_to_camera": world_to_camera.tolist(),
        "yaw_deg": yaw + 0.0,
        "pitch_deg": pitch + 0.0,
        "roll_deg": roll + 0.0,  # adding 0.0 turns -0.0 into 0.0
    }
