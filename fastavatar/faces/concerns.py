"""Why a photo may give a poor likeness: its face is small, blurred, turned aside, shut-eyed or covered."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import laplace

from fastavatar.core import Face
from fastavatar.faces import SMALL_FACE_PX
from fastavatar.images import FACE_SKIN_CLASS, HAIR_CLASS, THING_CLASS, class_shares

FAR_TURNED_DEG, FAR_TILTED_DEG = 40.0, 30.0
"""Yaw beyond which half of a face is hidden, and roll beyond which Face Mesh places landmarks less surely."""

# The limits below lie between 63 photos as they came and some of them with a fault made up: blurred, with
# masks, sunglasses and shut eyes drawn in (`python -m benchmarks.concerns`).
LEAST_SHARPNESS = 0.1
"""Photos as they came have 0.20 or more, also after JPEG; blur by 2 % of the width leaves at most 0.08."""
SHUT_WEIGHT, SHUT_OPENING = 0.4, 0.2
"""Open eyes blink by at most 0.35 and open by at least 0.21 of their width, seen from up to 70° aside."""
MOST_COVERED = 0.3
"""Faces as they came have at most 0.15 of other things before mouth and chin; masks cover 0.84 or more."""
MOST_HIDDEN = 0.5
"""Open eyes, also behind clear glasses, have at most 0.3 of things before them, dark glasses 0.55 or more."""

_SHARPNESS_PX = 160
"""Width of a face at which its sharpness is judged, so that the size of the photo does not count."""
_CLASSES_PX = 256
"""The segmenter's own size."""
_JAW_LEFT = (454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152)
_JAW_RIGHT = (148, 176, 149, 150, 136, 172, 58, 132, 93, 234)
_OVAL = (10, 338, 297, 332, 284, 251, 389, 356, *_JAW_LEFT, *_JAW_RIGHT, 127, 162, 21, 54, 103, 67, 109)
_MOUTH_AND_CHIN = (*_JAW_LEFT, *_JAW_RIGHT, 50, 197, 280)
_EYES = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
)
_LIDS = ((159, 145, 33, 133), (386, 374, 263, 362))
"""Landmarks of each eye: the middle of the upper and the lower lid, the outer and the inner corner."""
_AROUND_EYE = 1.6
"""Size of the place where glasses or hair would be seen, in eyes."""


def face_concerns(
    rgb: NDArray[np.uint8], face: Face, rotation: NDArray[np.float64], chosen: bool = False
) -> list[str]:
    """Warnings about a face in a photo (H, W, 3), one sentence each; none for a good photo.

    `rotation` (3, 3) turns the head frame to the photo's OpenCV camera axes; `chosen` is whether the caller
    picked the face among several. `face` has the landmarks and the expression of Face Mesh.
    """
    return [*_about_size(face, chosen), *_about_pose(rotation), *_about_what_shows(rgb, face)]


def sharpness(rgb: NDArray[np.uint8], face: Face) -> float:
    """Standard deviation of the Laplacian of a face's grey levels over that of the levels themselves.

    The face is brought to a width of 160 px first. Blur lowers it (Pech-Pacheco et al. 2000); contrast, light
    and skin do not change it.
    """
    crop = _face_crop(rgb, face, 0.05, _SHARPNESS_PX)
    grey = crop.rgb.astype(np.float32).mean(2)
    inside = crop.polygon(_OVAL)
    return float(laplace(grey)[inside].std() / max(float(grey[inside].std()), 1.0))


def _about_size(face: Face, chosen: bool) -> list[str]:
    warnings = []
    if face.count > 1 and not chosen:
        warnings.append(
            f"the photo shows {face.count} faces: the largest, number {face.index} from the left, is used"
        )
    across = face.box[2] - face.box[0]
    if across < SMALL_FACE_PX:
        warnings.append(f"the face is {across:.0f} px across; under {SMALL_FACE_PX} px likeness suffers")
    return warnings


def _about_pose(rotation: NDArray[np.float64]) -> list[str]:
    # The third column is the face's direction, the first the head's left, in camera axes
    yaw_deg = np.degrees(np.arctan2(rotation[0, 2], -rotation[2, 2]))
    roll_deg = np.degrees(np.arctan2(rotation[1, 0], rotation[0, 0]))
    warnings = []
    if abs(yaw_deg) > FAR_TURNED_DEG:
        warnings.append(f"the head is turned aside by {abs(yaw_deg):.0f}°: its hidden half is a guess")
    if abs(roll_deg) > FAR_TILTED_DEG:
        warnings.append(f"the head is tilted by {abs(roll_deg):.0f}° in the photo: turn the photo upright")
    return warnings


def _about_what_shows(rgb: NDArray[np.uint8], face: Face) -> list[str]:
    if face.box[2] - face.box[0] >= SMALL_FACE_PX and sharpness(rgb, face) < LEAST_SHARPNESS:
        # Nothing more: networks see all kinds of things in blur
        return ["the face is blurred: the head will lack its detail; use a sharper photo"]
    crop = _face_crop(rgb, face, 0.6, _CLASSES_PX)
    classes = class_shares(crop.rgb)
    warnings = []
    before_eyes = classes[..., [THING_CLASS, HAIR_CLASS]].max(2)
    hidden = [float(before_eyes[crop.polygon(eye, _AROUND_EYE)].mean()) > MOST_HIDDEN for eye in _EYES]
    if any(hidden):
        which = "the eyes are" if all(hidden) else "an eye is"
        warnings.append(f"{which} hidden, by dark glasses or hair: the head will wear what hides them")
    elif _eyes_shut(face):
        warnings.append("the eyes are shut: so will be the head's")
    free = classes[..., [FACE_SKIN_CLASS, HAIR_CLASS]].sum(2)  # hair: a beard
    if float(1 - free[crop.polygon(_MOUTH_AND_CHIN)].mean()) > MOST_COVERED:
        warnings.append(
            "something is before mouth or chin, such as a mask or a hand: it becomes part of the head"
        )
    return warnings


def _eyes_shut(face: Face) -> bool:
    """Whether both the blink that Face Mesh judges and the landmarks of the lids say so."""
    blinks = [face.expression.get(f"eyeBlink{side}", 0.0) for side in ("Left", "Right")]
    upper, lower, outer, inner = (face.landmarks[list(index), :2] for index in zip(*_LIDS, strict=True))
    height, width = np.linalg.norm(upper - lower, axis=1), np.linalg.norm(outer - inner, axis=1)
    openings = height / np.maximum(width, 1e-6)
    return sum(blinks) / 2 > SHUT_WEIGHT and float(openings.mean()) < SHUT_OPENING


class _Crop(NamedTuple):
    """A face and what is around it."""

    rgb: NDArray[np.uint8]
    """(H, W, 3)"""
    points: NDArray[np.float32]
    """(478, 2) the face's landmarks in it, pixels."""

    def polygon(self, landmarks: tuple[int, ...], factor: float = 1.0) -> NDArray[np.bool_]:
        """Pixels (H, W) inside the polygon of landmarks, enlarged by `factor` about its middle."""
        corners = self.points[list(landmarks)]
        corners = corners.mean(0) + factor * (corners - corners.mean(0))
        drawn = Image.new("1", (self.rgb.shape[1], self.rgb.shape[0]))
        # A polygon outside the picture still has one pixel, so that every mean is a number
        ImageDraw.Draw(drawn).polygon([(float(x), float(y)) for x, y in corners], fill=1, outline=1)
        inside = np.asarray(drawn)
        return inside if inside.any() else np.ones_like(inside)


def _face_crop(rgb: NDArray[np.uint8], face: Face, margin: float, longer_px: int) -> _Crop:
    """The square about a face's box with a margin, in sides of the box, as far as the photo goes."""
    left, top, right, bottom = face.box
    reach = (0.5 + margin) * max(right - left, bottom - top)
    x, y = (left + right) / 2, (top + bottom) / 2
    x0, y0 = max(0, int(x - reach)), max(0, int(y - reach))
    x1, y1 = max(x0 + 1, int(x + reach)), max(y0 + 1, int(y + reach))
    picture = Image.fromarray(rgb[y0:y1, x0:x1])
    scale = longer_px / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    small = picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return _Crop(np.asarray(small), (face.landmarks[:, :2] - np.array([x0, y0], np.float32)) * scale)
