"""What drives a head: a clip by its name, a take, JSON or a video by its file's ending."""

from dataclasses import dataclass
from pathlib import Path

from fastavatar.errors import UsageError
from fastavatar.images import is_video_name
from fastavatar.rig import (
    CLIPS,
    Caption,
    Motion,
    at_rate,
    captions,
    clip,
    read_live_link,
    read_weights_json,
    smoothed,
    track_video,
)


@dataclass(frozen=True)
class Drive:
    """A motion and what goes with it."""

    motion: Motion
    sound: Path | None = None
    """The file whose sound belongs to the motion, if that may have any."""
    captions: tuple[Caption, ...] = ()
    """What the motion shows when, by its names."""


def read_drive(drive: str | Path, fps: float | None = None, smooth_hz: float | None = None) -> Drive:
    """The motion that `drive` names: a built-in clip, or the file of a take, of JSON or of a video.

    It has `fps` frames per second, by default as many as the driver. Changes faster than `smooth_hz` are
    taken out; by default those of a video that are jitter, and none of others. Raises `UsageError` for a name
    that is none of these, and what the readers raise.
    """
    if str(drive) in CLIPS:
        name = str(drive)
        motion = clip(name, fps) if fps else clip(name)
        return Drive(smoothed(motion, smooth_hz or 0), captions=captions(name))
    path = Path(drive)
    ending = path.suffix.lower()
    if is_video_name(path.name):
        motion = track_video(path) if smooth_hz is None else track_video(path, smooth_hz)
        return Drive(at_rate(motion, fps) if fps else motion, sound=path)
    if ending not in (".csv", ".json"):
        raise UsageError(
            f"{drive} drives no head: give {', '.join(CLIPS)}, a take of Live Link Face (.csv), weights "
            "(.json) or a video"
        )
    motion = smoothed(read_live_link(path) if ending == ".csv" else read_weights_json(path), smooth_hz or 0)
    return Drive(at_rate(motion, fps) if fps else motion)
