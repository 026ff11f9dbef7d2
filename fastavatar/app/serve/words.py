"""A summary as a person would say it."""

from collections.abc import Mapping
from typing import Any

MODELS = {"facemesh": "the embedded model", "fastavatar": "the published networks"}
NOTICEABLE_DEG = 3.0
"""A head turned by less looks straight ahead."""


def in_words(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """What `summary.json` tells that a person would ask, one sentence each."""
    return (_made(summary), _pose(summary["head_pose"]), _size(summary), _terms(summary["licence"]))


def _made(summary: Mapping[str, Any]) -> str:
    model = MODELS.get(summary["model"], summary["model"])
    seconds = sum(summary["seconds"].values())
    where = "the GPU" if str(summary["device"]).startswith("cuda") else "the CPU"
    return f"{summary['num_gaussians']:,} Gaussians, made by {model} in {seconds:.1f} s on {where}."


def _pose(pose: Mapping[str, Any]) -> str:
    turns = [
        _turn(pose["yaw_deg"], "turned {} to its left", "turned {} to its right"),
        _turn(pose["pitch_deg"], "raised by {}", "lowered by {}"),
        _turn(pose["roll_deg"], "tilted {} to its left", "tilted {} to its right"),
    ]
    told = [turn for turn in turns if turn]
    if not told:
        return "In the photo the head looks straight at the camera."
    *others, last = told
    return f"In the photo the head is {', '.join(others) + ' and ' if others else ''}{last}."


def _turn(degrees: float, positive: str, negative: str) -> str | None:
    if abs(degrees) < NOTICEABLE_DEG:
        return None
    return (positive if degrees > 0 else negative).format(f"{abs(degrees):.0f}°")


def _size(summary: Mapping[str, Any]) -> str:
    width, height = summary["image"]["width"], summary["image"]["height"]
    face = summary["face"]
    if face is None:
        return f"The photo has {width} × {height} pixels."
    across = face["box"][2] - face["box"][0]
    return f"The face is {across:.0f} pixels wide in a photo of {width} × {height}."


def _terms(licence: str) -> str:
    return f"Terms of use: {licence}."
