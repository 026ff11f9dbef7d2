"""Faces, their 478 landmarks and their expressions by MediaPipe's Face Mesh."""

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastavatar.core import Box, Face
from fastavatar.images import as_image, open_task

SMALL_FACE_PX = 64
"""A face narrower than this carries too little detail for a likeness."""

# The detectors look at 128×128 (near faces) and 192×192 (far ones), the landmark network at 256×256.
_DETECTORS = ("face_detector_near.tflite", "face_detector_far.tflite")
_DETECTION_CONFIDENCE = 0.5
_CROP_MARGIN = 0.6
_CROP_PX = 640
_SAME_FACE_OVERLAP = 0.4
_IRISES_AND_LIDS = (
    (range(468, 473), (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173)),
    (range(473, 478), (263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398)),
)
"""Landmarks of the right and the left eye: the iris, and the edges of its lids."""


class FaceMeshFinder:
    """Two MediaPipe detectors, for near and far faces, then Face Mesh on a crop about each face found.

    Raises `WeightsError` without the networks in the package, `DeviceError` where MediaPipe cannot run.
    """

    advice = (
        "use an upright photo in which the face is seen from the front to about 45° aside, well lit and at "
        f"least {SMALL_FACE_PX} px across"
    )

    def find(self, rgb: NDArray[np.uint8]) -> list[Face]:
        """Every face in an upright photo (H, W, 3), from left to right, with its landmarks and expression."""
        found: list[Face] = []
        for box in sorted(_detect(rgb), key=_area, reverse=True):
            face = _face_around(rgb, box)
            if face is not None and all(
                _overlap(face.box, other.box) < _SAME_FACE_OVERLAP for other in found
            ):
                found.append(face)
        found.sort(key=lambda face: float(face.landmarks[:, 0].mean()))
        return [replace(face, index=i, count=len(found)) for i, face in enumerate(found)]


def _detect(rgb: NDArray[np.uint8]) -> list[Box]:
    """Boxes in pixels by both detectors, the near and the far one, the whole photo if neither finds any."""
    height, width = rgb.shape[:2]
    boxes: list[Box] = []
    with ExitStack() as opened:
        detectors = [
            opened.enter_context(
                open_task("FaceDetector", model, min_detection_confidence=_DETECTION_CONFIDENCE)
            )
            for model in _DETECTORS
        ]
        image = as_image(rgb)  # one copy of the photo for both
        for detection in (one for detector in detectors for one in detector.detect(image).detections):
            area = detection.bounding_box
            left, top = float(area.origin_x), float(area.origin_y)
            boxes.append((left, top, left + area.width, top + area.height))
    return boxes or [(0.0, 0.0, float(width), float(height))]


def _face_around(rgb: NDArray[np.uint8], box: Box) -> Face | None:
    """The largest face around `box`, as if it were the only one."""
    margin = _CROP_MARGIN * max(box[2] - box[0], box[3] - box[1])
    left, top = (max(0, round(edge - margin)) for edge in box[:2])
    right, bottom = min(rgb.shape[1], round(box[2] + margin)), min(rgb.shape[0], round(box[3] + margin))
    if right - left < 2 or bottom - top < 2:
        return None
    crop = Image.fromarray(rgb[top:bottom, left:right])
    scale = _CROP_PX / max(crop.size)
    size = (max(1, round(crop.width * scale)), max(1, round(crop.height * scale)))
    sized = np.asarray(crop.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))
    with open_task("FaceLandmarker", "face_landmarker.task", output_face_blendshapes=True) as network:
        found = network.detect(as_image(sized))
    return face_in(found, (left, top, right, bottom))


def face_in(found: Any, area: tuple[int, int, int, int]) -> Face | None:
    """The face that the task FaceLandmarker found in a part of a photo, given by its edges in pixels."""
    if not found.face_landmarks:
        return None
    left, top, right, bottom = area
    unit = np.array([[point.x, point.y, point.z] for point in found.face_landmarks[0]], np.float32)
    for iris, lids in _IRISES_AND_LIDS:
        unit[iris, 2] = unit[lids, 2].mean()  # its own depth is wrong from aside
    # x is a fraction of the width, y of the height, z of the width like x
    in_crop = unit * np.array([right - left, bottom - top, right - left], np.float32)
    landmarks = in_crop + np.array([left, top, 0], np.float32)
    expression = {shape.category_name: float(shape.score) for shape in found.face_blendshapes[0]}
    del expression["_neutral"]  # the network's name for none of the others
    return Face(0, 1, _box_of(landmarks), landmarks, expression=expression)


def _box_of(landmarks: NDArray[np.float32]) -> Box:
    (left, top), (right, bottom) = landmarks[:, :2].min(0).tolist(), landmarks[:, :2].max(0).tolist()
    return left, top, right, bottom


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _overlap(a: Box, b: Box) -> float:
    """Intersection over the smaller area."""
    shared = (max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3]))
    if shared[0] >= shared[2] or shared[1] >= shared[3]:
        return 0.0
    return _area(shared) / max(min(_area(a), _area(b)), 1e-9)
