"""Turns a photo that lies on its side or stands on its head, so that its face is upright."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastavatar.core import Face, Photo
from fastavatar.errors import NoFaceError
from fastavatar.faces import FaceFinder, choose_face, find_face
from fastavatar.images import as_image, open_task

_WORK_PX = 512
"""The detector itself looks at 128 pixels."""
_REACH = 1.5
"""Half the side of the square about a face that is looked at, in sides of the face's box."""
_LIES_DEG = 45.0
"""Roll beyond which another side of the photo is nearer to upright."""
_BETTER = 0.1
"""How much surer of a face the detector must be in a turned photo. No upright photo of 63 is turned, from up
to 75° aside, and each of eleven is turned back from any side (`python -m benchmarks.concerns`)."""
_OUTER_CORNERS = (33, 263)
"""Landmarks of the outer corners of the right and the left eye."""


FoundFace = tuple[Photo, Face, tuple[str, ...]]
"""A photo, upright, its face, and warnings."""


def find_wanted_face(finder: FaceFinder, photo: Photo, number: int | None) -> FoundFace:
    """The face with a number from the left, counted in the photo as it came; without one, the upright face.

    Raises `NoFaceError` where there is no such face.
    """
    if number is None:
        return find_upright_face(finder, photo)
    return photo, find_face(finder, photo.rgb, number), ()


def find_one_of_several(finder: FaceFinder, photo: Photo) -> FoundFace:
    """As `find_upright_face`; its error names the photo, as there are several."""
    try:
        return find_upright_face(finder, photo)
    except NoFaceError as error:
        raise NoFaceError(f"{photo.name}: {error}") from error


def find_upright_face(finder: FaceFinder, photo: Photo) -> FoundFace:
    """The largest face in a photo, the photo turned upright if need be, and a warning if it was turned.

    It is turned by a right angle or two if no face is found as it came, if the one found lies on its side, or
    if a detector is much surer of a face in the turned photo: finders see faces in those upside-down as well.
    Raises `NoFaceError` where no side shows a face.
    """
    faces = finder.find(photo.rgb)
    lies = bool(faces) and abs(_roll_deg(choose_face(faces))) > _LIES_DEG
    sureness = _sureness(_around(photo.rgb, choose_face(faces)) if faces else photo.rgb)
    best = int(np.argmax(sureness))
    if faces and not lies and sureness[best] < sureness[0] + _BETTER:
        return photo, choose_face(faces), ()
    turned = photo_turned(photo, best)
    found = finder.find(turned.rgb) if best else []
    if not found:
        # Says what was not found, of the photo as it came
        return photo, find_face(finder, photo.rgb), ()
    degrees = {1: "90° counter-clockwise", 2: "180°", 3: "90° clockwise"}[best]
    return turned, choose_face(found), (f"the photo was turned by {degrees}, as its face is upright so",)


def photo_turned(photo: Photo, quarters: int) -> Photo:
    """The photo turned counter-clockwise by so many right angles."""
    rgb = np.ascontiguousarray(np.rot90(photo.rgb, quarters))
    alpha = None if photo.alpha is None else np.ascontiguousarray(np.rot90(photo.alpha, quarters))
    return replace(photo, rgb=rgb, alpha=alpha)


def _around(rgb: NDArray[np.uint8], face: Face) -> NDArray[np.uint8]:
    """The part of a photo (H, W, 3) about a face, as a portrait shows it."""
    left, top, right, bottom = face.box
    reach = _REACH * max(right - left, bottom - top)
    x, y = (left + right) / 2, (top + bottom) / 2
    return rgb[max(0, int(y - reach)) : int(y + reach), max(0, int(x - reach)) : int(x + reach)]


def _sureness(rgb: NDArray[np.uint8]) -> list[float]:
    """How sure a detector is, in 0…1, of a face in the photo turned by 0 to 3 right angles."""
    small = Image.fromarray(rgb)
    small.thumbnail((_WORK_PX, _WORK_PX), Image.Resampling.BILINEAR, reducing_gap=2.0)
    found = []
    with open_task("FaceDetector", "face_detector_near.tflite", min_detection_confidence=0.5) as detector:
        for quarters in range(4):
            turned = np.ascontiguousarray(np.rot90(np.asarray(small), quarters))
            detections = detector.detect(as_image(turned)).detections
            found.append(max((one.categories[0].score for one in detections), default=0.0))
    return found


def _roll_deg(face: Face) -> float:
    """How far the line through the eyes is from level in the picture."""
    right, left = face.landmarks[list(_OUTER_CORNERS), :2]
    return float(np.degrees(np.arctan2(left[1] - right[1], left[0] - right[0])))
