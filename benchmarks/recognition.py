"""Similarity, to a face recogniser, of photos of one person and of two people, by angle between cameras.

`python -m benchmarks.recognition --recogniser DIR CAPTURE CAPTURE …`: DIR holds `identity.py` with a class
`Recogniser` whose `embed` takes (H, W, 3) uint8 and returns a unit vector, or None where it finds no face.
The captures show different people. Prints Markdown. The threshold in `evaluation/identity.py` comes from
these figures.
"""

import argparse
import importlib
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastavatar.captures import read_capture
from fastavatar.evaluation.identity import ALIKE

BINS_DEG = (0, 20, 40, 60, 80, 180)
Face = tuple[str, NDArray[np.float32], NDArray[np.float32]]
"""The capture, the embedding (512,), and the unit vector (3,) from the head to the camera."""


def find_faces(folder: Path, recogniser: Any) -> list[Face]:
    """The face of each view of a capture in which the recogniser finds one."""
    found: list[Face] = []
    for view in read_capture(folder).views:
        embedding = recogniser.embed((view.image * 255).round().byte().numpy())
        if embedding is not None:
            center = view.camera.center.numpy()
            found.append((str(folder), embedding, center / np.linalg.norm(center)))
    return found


def main() -> None:
    """Print the cosines of pairs of views."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("captures", nargs="+", type=Path)
    parser.add_argument("--recogniser", required=True, type=Path)
    given = parser.parse_args()
    sys.path.insert(0, str(given.recogniser))
    recogniser = importlib.import_module("identity").Recogniser()
    faces = [face for folder in given.captures for face in find_faces(folder, recogniser)]
    same: list[tuple[float, float]] = []
    different: list[float] = []
    for (one, a, at), (other, b, to) in combinations(faces, 2):
        angle_deg = float(np.degrees(np.arccos(np.clip(at @ to, -1, 1))))
        if one == other:
            same.append((angle_deg, float(a @ b)))
        else:
            different.append(float(a @ b))
    print(f"| pairs | count | mean cosine | below {ALIKE} |\n|---|---|---|---|")
    for low, high in zip(BINS_DEG, BINS_DEG[1:], strict=False):
        print_row(f"one person, {low}° to {high}°", [cosine for angle, cosine in same if low <= angle < high])
    print_row("two people", different)


def print_row(what: str, cosines: list[float]) -> None:
    """Print one line of the table."""
    values = np.array(cosines)
    print(f"| {what} | {len(values)} | {values.mean():.2f} | {(values < ALIKE).mean():.1%} |")


if __name__ == "__main__":
    main()
