import numpy as np
import pytest

from fastavatar.head import (
    ARKIT_NAMES,
    EXPRESSIONS,
    HeadShot,
    LandmarkModel,
    LandmarkView,
    arkit_weights,
    follow_head,
    load_head,
)
from fastavatar.head.observed import landmark_sigmas
from fastavatar.rig import as_judged, as_shown
from fastavatar.rig.shown import SHOWN

CENTER = (256.0, 256.0)


def test_every_expression_that_landmarks_tell_has_its_share() -> None:
    stems = {ARKIT_NAMES[index].removesuffix("Left").removesuffix("Right") for index in EXPRESSIONS}
    assert stems == SHOWN.keys()


@pytest.mark.parametrize(("name", "share"), [("jawOpen", 0.76), ("mouthSmileLeft", 0.7)])
def test_a_movement_that_face_mesh_shows_in_part_counts_whole(name: str, share: float) -> None:
    model = LandmarkModel.of(load_head())
    rest = HeadShot(np.diag([1.0, -1.0, -1.0]), np.array([0, 0, 0.8]), 900.0, np.zeros(len(EXPRESSIONS)))
    points = model.at(np.zeros(len(model.modes)), share * arkit_weights({name: 1.0})[EXPRESSIONS])
    bias, _ = landmark_sigmas(model, 0.0)
    pixels = rest.project(points, CENTER) + bias * 900 / (0.8 - points[:, 2:])
    seen = np.concatenate([np.concatenate([pixels, np.zeros((468, 1))], 1), np.zeros((10, 3))])
    known = model.known(np.zeros(len(model.modes)))
    view = LandmarkView(seen, CENTER, 900.0, arkit_weights({name: 0.8}))
    index = list(EXPRESSIONS).index(ARKIT_NAMES.index(name))
    assert follow_head(as_shown(known), view, rest).expression[index] > 0.9
    assert follow_head(known, view, rest).expression[index] < 0.85


def test_what_the_network_judges_in_part_counts_whole_and_what_it_does_not_tell_not_at_all() -> None:
    seen = {
        "jawOpen": 0.71,
        "browInnerUp": 0.305,
        "mouthSmileLeft": 0.9,
        "cheekPuff": 0.2,
        "eyeLookUpLeft": 0.3,
    }
    weights = dict(zip(ARKIT_NAMES, as_judged(seen), strict=True))
    shown = {"jawOpen": 1.0, "browInnerUp": 0.5, "mouthSmileLeft": 1.0, "eyeLookUpLeft": 0.3}
    assert weights == pytest.approx(dict.fromkeys(ARKIT_NAMES, 0.0) | shown)
