"""One face through the frames of a video, by Face Mesh's own tracking."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastavatar.core import Box, Face, Photo
from fastavatar.faces import FaceMeshFinder, choose_face, face_in
from fastavatar.images import as_image, load_tasks, open_task

Area = tuple[int, int, int, int]
"""Left, top, right and bottom edge in pixels."""

MARGIN, LEAST_MARGIN = 0.8, 0.2
"""Room around a face in the part of the frame that is looked at, in widths of the face: when that part is
chosen, and the least that it may keep. Face Mesh's detector misses faces that are small in its picture."""
MOST_MARGIN = 2.5
"""The most room that may be left on any side."""
SETTLING = 12
"""Looks, one second apart, until the landmarks of a still picture move by less than 0.01 px."""
SEARCH_EVERY = 10
"""While the face is lost, every so many frames are searched as a whole, which takes as long as 40 others."""


def track_face(frames: Iterable[Photo]) -> Iterator[tuple[Photo, Face | None]]:
    """Every frame with the largest face of the first frame that shows any; None where it is not seen.

    `Photo.at_seconds` must grow. Raises what `FaceMeshFinder` raises.
    """
    tracker, lost = _Tracker(), 0
    with tracker.stack:
        for frame in frames:
            face = tracker.follow(frame)
            if face is None and lost % SEARCH_EVERY == 0:
                tracker.search(frame)
                face = tracker.follow(frame)
            lost = 0 if face else lost + 1
            yield frame, face


class _Tracker:
    """Face Mesh on a part of the frame; when the face leaves that part, another one is chosen."""

    def __init__(self) -> None:
        self.stack = ExitStack()
        self._network: Any = None
        self._area: Area = (0, 0, 0, 0)
        self._clock, self._offset = -1, 0  # milliseconds

    def follow(self, frame: Photo) -> Face | None:
        """The face in the next frame, None if it is not seen."""
        if self._network is None:
            return None
        face = self._look(frame.rgb, _milliseconds(frame) + self._offset)
        if face is not None and not _fits(face.box, self._area, frame.rgb):
            self._look_about(face.box, frame)
            face = self._look(frame.rgb, self._clock + 1000) or face
        return face

    def search(self, frame: Photo) -> None:
        """Choose the largest face in a frame as the one to follow, if there is any."""
        found = FaceMeshFinder().find(frame.rgb)
        if found:
            self._look_about(choose_face(found).box, frame)

    def _look(self, rgb: NDArray[np.uint8], milliseconds: int) -> Face | None:
        left, top, right, bottom = self._area
        self._clock = max(milliseconds, self._clock + 1)  # MediaPipe refuses equal times
        found = self._network.detect_for_video(as_image(rgb[top:bottom, left:right]), self._clock)
        return face_in(found, self._area)

    def _look_about(self, box: Box, frame: Photo) -> None:
        """Begin to track in the part of the frame around a face's box.

        Face Mesh looks at the frame some times first: its landmarks move until its crop, which follows from
        the landmarks before, and its filter over time have settled.
        """
        self.stack.close()
        self._area, self._clock = _area_about(box, frame.rgb, MARGIN), -1
        video = load_tasks().vision.RunningMode.VIDEO
        task = open_task(
            "FaceLandmarker", "face_landmarker.task", output_face_blendshapes=True, running_mode=video
        )
        self._network = self.stack.enter_context(task)
        for look in range(SETTLING):
            self._look(frame.rgb, 1000 * look)
        self._offset = self._clock + 1000 - _milliseconds(frame)


def _milliseconds(frame: Photo) -> int:
    return round(1000 * (frame.at_seconds or 0.0))


def _area_about(box: Box, rgb: NDArray[np.uint8], margin: float) -> Area:
    """The part of a frame with a margin, in widths of the face, about its box."""
    height, width = rgb.shape[:2]
    room = margin * max(box[2] - box[0], box[3] - box[1])
    left, top = max(0, round(box[0] - room)), max(0, round(box[1] - room))
    return left, top, min(width, round(box[2] + room)), min(height, round(box[3] + room))


def _fits(box: Box, area: Area, rgb: NDArray[np.uint8]) -> bool:
    """Whether a part of a frame holds a face with room on all sides, but not with far too much."""
    inner, outer = (_area_about(box, rgb, margin) for margin in (LEAST_MARGIN, MOST_MARGIN))
    holds = all(area[k] <= inner[k] and area[k + 2] >= inner[k + 2] for k in (0, 1))
    return holds and all(area[k] >= outer[k] and area[k + 2] <= outer[k + 2] for k in (0, 1))
