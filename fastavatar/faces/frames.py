"""The frames of a video that serve as photos of a person: sharp ones, from the front and from other sides."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastavatar.core import Face, Photo
from fastavatar.errors import NoFaceError
from fastavatar.faces import SMALL_FACE_PX, FaceMeshFinder
from fastavatar.images import read_stills, sharpness_of

log = logging.getLogger(__name__)

FRAMES = 5
"""Frames of one video that a head is made of; each more costs as much as another photo."""
DIFFERENT_DEG = 8.0
"""Heads that stand closer than this show the same side. Chosen by eye: blur and roll of the example photo
change its measured angles by up to 3°."""
ASIDE_DEG = 60.0
"""Largest yaw of a frame that is used; chosen by eye: beyond it Face Mesh guesses the hidden half."""
_SHARP_SHARE = 0.35
"""Share of a good frame's sharpness that a frame needs: a Gaussian blur of half a pixel leaves the example
photo 0.46 of it, one of a pixel 0.09."""
_ALONE = 2.0
"""How many times larger than the next a frame's largest face has to be; chosen by eye."""
_EYES, _FOREHEAD, _CHIN = (33, 263), 10, 152
"""Landmarks: outer corners of the right and left eye, and the ends of the face's middle line."""
_FACE_PX = 256
"""Width at which the sharpness of faces is compared, whatever their size."""


@dataclass(frozen=True)
class _Candidate:
    photo: Photo
    pose_deg: NDArray[np.float64]
    """(2,) yaw and pitch."""
    sharpness: float
    is_alone: bool
    """Whether the frame shows no second face of about the same size."""


def choose_frames(video: Path, count: int = FRAMES) -> list[Photo]:
    """At most `count` frames of a video as photos of one person: the most frontal one first.

    The others are those that show the head from sides as different as the video has. Raises `InputError` for
    a file that is no video, `NoFaceError` where no frame shows a face.
    """
    stills = read_stills(video)
    found = [candidate for still in stills if (candidate := _candidate(still.photo)) is not None]
    if not found:
        raise NoFaceError(
            f"no face found in {len(stills)} frames of {video}: give a video in which one person faces the "
            f"camera, well lit, the face at least {SMALL_FACE_PX} px across"
        )
    alone = [candidate for candidate in found if candidate.is_alone] or found
    good = float(np.quantile([candidate.sharpness for candidate in alone], 0.9))
    sharp = [candidate for candidate in alone if candidate.sharpness >= _SHARP_SHARE * good]
    chosen = _spread(sharp, count)
    for candidate in chosen:
        log.info("%s: yaw %.0f°, pitch %.0f°", candidate.photo.name, *candidate.pose_deg)
    return [candidate.photo for candidate in chosen]


def head_angles(landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """Yaw and pitch (2,) in degrees of a face's landmarks (478, 3); a roll in the picture changes neither.

    0 and 0 face to face; yaw turns the face to the person's left. A rough measure, from three directions.
    """
    points = landmarks.astype(np.float64)
    across = points[_EYES[1]] - points[_EYES[0]]
    down = points[_CHIN] - points[_FOREHEAD]
    yaw = np.arctan2(across[2], np.hypot(*across[:2]))
    pitch = np.arctan2(down[2], np.hypot(*down[:2]))
    return np.degrees([yaw, pitch])


def _candidate(photo: Photo) -> _Candidate | None:
    """The photo's largest face, None where there is none or it is too small or seen from too far aside."""
    faces = sorted(FaceMeshFinder().find(photo.rgb), key=lambda face: face.area, reverse=True)
    if not faces or faces[0].box[2] - faces[0].box[0] < SMALL_FACE_PX:
        return None
    pose_deg = head_angles(faces[0].landmarks)
    if abs(pose_deg[0]) > ASIDE_DEG:
        return None
    is_alone = len(faces) == 1 or faces[0].area > _ALONE * faces[1].area
    return _Candidate(photo, pose_deg, _face_sharpness(photo, faces[0]), is_alone)


def _spread(candidates: list[_Candidate], count: int) -> list[_Candidate]:
    """The most frontal candidate, then again and again the one farthest from those chosen.

    In the place of each stands the sharpest of those that show the same side.
    """
    poses = np.stack([candidate.pose_deg for candidate in candidates])
    at, chosen = int(np.hypot(*poses.T).argmin()), list[int]()
    while True:
        same_side = np.flatnonzero(np.linalg.norm(poses - poses[at], axis=1) < DIFFERENT_DEG / 2)
        chosen.append(max(same_side.tolist(), key=lambda index: candidates[index].sharpness))
        distance = np.linalg.norm(poses[:, None] - poses[chosen], axis=2).min(1)
        at = int(distance.argmax())
        if len(chosen) == count or distance[at] < DIFFERENT_DEG:
            return [candidates[index] for index in chosen]


def _face_sharpness(photo: Photo, face: Face) -> float:
    """Sharpness of the face alone: the background may stand still while the head moves."""
    left, top, right, bottom = (max(0, round(edge)) for edge in face.box)
    step = max(1, (right - left) // _FACE_PX)
    return sharpness_of(photo.rgb[top:bottom:step, left:right:step].mean(2))
