"""The motion of a person in a video.

frames ─ Face Mesh ─▶ landmarks, weights ─┬─ first seconds ─▶ identity and lens, once
                                          └─ each frame ────▶ expression and pose ─ smoothing ─▶ Motion
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from fastavatar.core import Face, Photo
from fastavatar.errors import NoFaceError
from fastavatar.faces import SMALL_FACE_PX, head_angles, track_face
from fastavatar.geometry import Array
from fastavatar.head import (
    DISTANCE_M,
    EXPRESSIONS,
    HeadShot,
    LandmarkModel,
    LandmarkView,
    first_shot,
    fit_head,
    follow_head,
    load_head,
)
from fastavatar.images import read_frames
from fastavatar.rig import Motion, Samples, as_judged, as_shown, smoothed

log = logging.getLogger(__name__)

MAX_SIDE_PX = 1280
"""Longest side of a frame; Face Mesh looks at a face with 256 pixels."""
IDENTITY_FRAMES, IDENTITY_FROM = 6, 300
"""How many frames give the identity, and among how many at the start of the video they are chosen."""
CUTOFF_HZ = 8.0
"""Faster changes are jitter. Speech and blinks have little above; chosen by eye."""
RATES = (23.976, 24.0, 25.0, 29.97, 30.0, 48.0, 50.0, 59.94, 60.0)
USUAL_RATE = 30.0
SAME_RATE = 0.005
"""A measured rate this near one of `RATES`, as a share, is that one."""


@dataclass(frozen=True)
class _Seen:
    """What one frame shows."""

    seconds: float
    face: Face | None
    center_px: tuple[float, float]

    def view(self, focal_px: float | None, expression: Array | None = None) -> LandmarkView:
        """The face as the fit takes it, expected to have an expression (52,); neutral if none is given."""
        assert self.face is not None
        return LandmarkView(self.face.landmarks, self.center_px, focal_px, expression)


def track_video(path: Path, cutoff_hz: float = CUTOFF_HZ) -> Motion:
    """Expression and head turns of the largest face in a video, at the video's mean frame rate.

    The head turns against the camera. Frames without a face are bridged, with a warning. Changes faster than
    `cutoff_hz` are taken out; 0 leaves them. Raises `InputError` for a file that is no video, `NoFaceError`
    where no frame shows a face.
    """
    frames = _looked_at(read_frames(path, MAX_SIDE_PX))
    start = _first_faces(frames)
    if not any(seen.face for seen in start):
        raise NoFaceError(
            f"no face found in {path}: give a video in which one person faces the camera, well lit, the face "
            f"at least {SMALL_FACE_PX} px across"
        )
    with threadpool_limits(1, "blas"):
        samples, seconds = _followed(*_person(start), chain(start, frames))
    bridged = len(seconds) - len(samples.seconds)
    if bridged:
        log.warning("%s: %d of %d frames show no face and are bridged", path, bridged, len(seconds))
    fps = _rate(seconds)
    return smoothed(samples.motion(fps, round(seconds[-1] * fps) + 1, path), cutoff_hz)


def _looked_at(frames: Iterator[Photo]) -> Iterator[_Seen]:
    """Every frame with the face it shows, but without its picture."""
    for frame, face in track_face(frames):
        yield _Seen(frame.at_seconds or 0.0, face, (frame.width / 2, frame.height / 2))


def _first_faces(frames: Iterator[_Seen]) -> list[_Seen]:
    """The frames up to and with the one that shows the face for the `IDENTITY_FROM`th time."""
    start, faces = [], 0
    for seen in frames:
        start.append(seen)
        faces += seen.face is not None
        if faces == IDENTITY_FROM:
            break
    return start


def _person(start: Sequence[_Seen]) -> tuple[LandmarkModel, float]:
    """The landmarks of the head that frames show from different sides, and the focal length in pixels."""
    turned = sorted(
        (seen for seen in start if seen.face),
        key=lambda seen: float(head_angles(seen.face.landmarks)[0]) if seen.face else 0.0,
    )
    places = np.linspace(0, len(turned) - 1, min(IDENTITY_FRAMES, len(turned))).round().astype(int)
    head, chosen = load_head(), [turned[place] for place in places]
    lenses = fit_head(head, [seen.view(None) for seen in chosen]).focal_px
    focal_px = float(np.exp(np.log(lenses).mean()))  # one camera took all frames
    fit = fit_head(head, [seen.view(focal_px) for seen in chosen])
    return as_shown(LandmarkModel.of(head).known(fit.identity)), focal_px


def _followed(model: LandmarkModel, focal_px: float, frames: Iterable[_Seen]) -> tuple[Samples, list[float]]:
    """What the frames with a face show, and the times of all frames."""
    shot: HeadShot | None = None
    seconds, times, weights, turns = [], [], [], []
    for seen in frames:
        seconds.append(seen.seconds)
        if seen.face is None:
            shot = None
            continue
        expression = as_judged(seen.face.expression)
        view = seen.view(focal_px, expression)
        shot = follow_head(model, view, shot or first_shot(model, view, DISTANCE_M))
        # The landmarks say nothing about gaze and tongue
        expression[EXPRESSIONS] = shot.expression
        times.append(seen.seconds)
        weights.append(expression.clip(0, 1))
        turns.append(shot.turn_deg)
    return Samples(np.array(times), np.stack(weights), np.stack(turns)), seconds


def _rate(seconds: Sequence[float]) -> float:
    """Frames per second of a video with frames at these times, a usual rate if it is near one."""
    if len(seconds) < 2 or seconds[-1] <= 0:
        return USUAL_RATE
    mean = (len(seconds) - 1) / seconds[-1]
    near = min(RATES, key=lambda rate: abs(rate - mean))
    return near if abs(near - mean) < SAME_RATE * near else min(mean, RATES[-1])
