"""How much of each expression Face Mesh shows: `python -m benchmarks.expression_shares PHOTO …`.

Heads of photos show each expression alone. Where the parametric head's landmarks move by d, those of Face
Mesh move by a share of d, found by least squares; the median over heads and sides is `SHOWN` in
`fastavatar/rig/shown.py`. Prints Markdown: the share, and how far single heads lie from it.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fastavatar.core import Face
from fastavatar.faces import FaceMeshFinder, find_face
from fastavatar.geometry import Array
from fastavatar.head import ARKIT_NAMES, EXPRESSIONS, LandmarkModel, arkit_weights, load_head
from fastavatar.images import load_photo
from fastavatar.models import load_predictor
from fastavatar.rendering import facing_camera, head_sphere
from fastavatar.results import draw_motion
from fastavatar.rig import STRAIGHT_AHEAD, Motion, bind

SIZE_PX = 512
CLOSE = 0.75
"""Width of the picture in diameters of the head."""
NAMES = [ARKIT_NAMES[index] for index in EXPRESSIONS]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", nargs="+", type=Path)
    shares: dict[str, list[float]] = {}
    for photo in parser.parse_args().photos:
        for name, share in zip(NAMES, shares_of(photo), strict=True):
            shares.setdefault(name.removesuffix("Left").removesuffix("Right"), []).append(share)
    print("| expression | share | heads |\n|---|---|---|")
    for name, found in shares.items():
        print(f"| {name} | {np.median(found):.2f} | {' '.join(f'{share:.2f}' for share in found)} |")


def shares_of(photo: Path) -> Iterator[float]:
    """The share of each expression of `NAMES` that Face Mesh shows of one head."""
    rig = bind(load_predictor("facemesh").predict(load_photo(photo)), from_neutral=True)
    center, radius_m = head_sphere(rig.rest)
    camera = facing_camera(center, CLOSE * radius_m, SIZE_PX)
    weights = np.stack([arkit_weights({}), *(arkit_weights({name: 1.0}) for name in NAMES)])
    count = len(weights)
    motion = Motion(30.0, weights, np.zeros((count, 3)), np.repeat(STRAIGHT_AHEAD[None], count, 0))
    pictures = draw_motion(rig, motion, camera, (0.6, 0.6, 0.6))
    rest, *shown = (find_face(FaceMeshFinder(), picture) for picture in pictures)
    model = LandmarkModel.of(load_head())
    for face, action in zip(shown, model.actions, strict=True):
        yield _share(_moved(face, rest), action[:, :2])


def _moved(face: Face, rest: Face) -> Array:
    """(468, 2) how far the landmarks have moved, in widths of the face; x to the person's left, y up."""
    width = float(rest.box[2] - rest.box[0])
    moved = (face.landmarks - rest.landmarks)[:468, :2].astype(np.float64) / width
    return np.asarray(moved * [1.0, -1.0])


def _share(moved: Array, action_m: Array) -> float:
    """The factor with which an action (468, 2) explains a movement best, apart from a shift of all."""
    action = (action_m - action_m.mean(0)) / FACE_WIDTH_M
    moved = moved - moved.mean(0)
    return float((action * moved).sum() / (action**2).sum())


FACE_WIDTH_M = float(np.ptp(load_head().places.at(load_head().mean)[:468, 0]))


if __name__ == "__main__":
    main()
