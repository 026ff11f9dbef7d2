from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from fastavatar.core import Photo
from fastavatar.faces import FaceMeshFinder, track_face
from tests.portraits import WALL, Rgb, on_wall, portrait

BLANK = np.full((300, 400, 3), WALL, np.uint8)


def frames(*pictures: Rgb) -> Iterator[Photo]:
    """Thirty a second."""
    for index, rgb in enumerate(pictures):
        yield replace(portrait(), rgb=rgb, at_seconds=index / 30)


def hung_at(left: int) -> Rgb:
    """A small portrait on a wide wall; its face is about 63 px across."""
    return on_wall((1200, 360), (350, (left, 5)))


def test_a_still_face_stays_where_the_finder_sees_it() -> None:
    faces = [face for _, face in track_face(frames(*[portrait().rgb] * 12)) if face]
    places = np.stack([face.landmarks[:, :2] for face in faces])
    assert len(places) == 12 and np.abs(np.diff(places, axis=0)).max() < 0.05
    (found,) = FaceMeshFinder().find(portrait().rgb)
    assert np.linalg.norm(places[-1] - found.landmarks[:, :2], axis=1).mean() < 1.0
    assert faces[0].expression["mouthSmileLeft"] == pytest.approx(found.expression["mouthSmileLeft"], abs=0.1)


def test_a_face_that_crosses_the_frame_is_followed() -> None:
    lefts = list(range(0, 800, 20))
    tracked = [face for _, face in track_face(frames(*map(hung_at, lefts)))]
    assert all(tracked)
    middles = np.array([face.landmarks[:, 0].mean() for face in tracked if face])
    assert np.abs(middles - lefts - (middles[0] - lefts[0])).max() < 4


def test_a_face_that_goes_and_comes_back_is_found_again() -> None:
    shown = [portrait().rgb] * 3 + [np.full_like(portrait().rgb, 128)] * 14 + [portrait().rgb] * 14
    tracked = [face is not None for _, face in track_face(frames(*shown))]
    assert all(tracked[:3]) and not any(tracked[3:17]) and any(tracked[17:28]) and all(tracked[28:])


def test_frames_without_a_face_give_none() -> None:
    assert [face for _, face in track_face(frames(BLANK, BLANK))] == [None, None]
    assert list(track_face(frames())) == []
