from dataclasses import replace

import numpy as np
import pytest

from fastavatar.errors import NoFaceError
from fastavatar.faces import FaceMeshFinder, find_upright_face
from tests.portraits import photo_of, picture, portrait, small_left_large_right, without_face

TOLD = {1: "90° clockwise", 2: "180°", 3: "90° counter-clockwise"}


@pytest.mark.parametrize("quarters", TOLD)
def test_a_photo_on_its_side_or_head_is_turned_and_told(quarters: int) -> None:
    rgb = np.ascontiguousarray(np.rot90(portrait().rgb, quarters))
    alpha = np.linspace(0, 1, rgb.shape[0] * rgb.shape[1], dtype=np.float32).reshape(rgb.shape[:2])
    photo, face, warnings = find_upright_face(FaceMeshFinder(), replace(photo_of(rgb), alpha=alpha))
    assert (photo.rgb == portrait().rgb).all()
    assert photo.alpha is not None and (np.rot90(photo.alpha, quarters) == alpha).all()
    assert face.landmarks[10, 1] < face.landmarks[152, 1]  # the forehead above the chin
    assert warnings == (f"the photo was turned by {TOLD[quarters]}, as its face is upright so",)


@pytest.mark.parametrize("roll_deg", [0, -30, 30])
def test_an_upright_or_tilted_photo_stays(roll_deg: float) -> None:
    rgb = np.asarray(picture().rotate(roll_deg, fillcolor=(176, 168, 160)))
    photo, face, warnings = find_upright_face(FaceMeshFinder(), given := photo_of(rgb))
    assert photo is given and warnings == () and face.count == 1


def test_the_largest_of_several_faces_is_taken() -> None:
    photo, face, warnings = find_upright_face(FaceMeshFinder(), photo_of(small_left_large_right()))
    assert (face.index, face.count, warnings) == (1, 2, ())


def test_where_no_side_shows_a_face_the_photo_as_it_came_is_reported() -> None:
    with pytest.raises(NoFaceError, match="80×60 px"):
        find_upright_face(FaceMeshFinder(), photo_of(without_face()))
