"""What photos are warned of: `python -m benchmarks.concerns --captures DIR --photos DIR`.

Prints how often each warning is given for photos as they came and with faults made up. The photos are the
captures' views that show a face, `made_*.jpg` and the portrait in `data`; of the captures only the `FAULTY`
views get faults. Then how many of these, lying on a side or on their head, `find_upright_face` turns upright.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.predict import PORTRAIT
from fastavatar.captures import read_capture
from fastavatar.core import Photo
from fastavatar.faces import FaceMeshFinder, choose_face, find_upright_face
from fastavatar.images.photo import load_photo
from fastavatar.models.facemesh import observe
from fastavatar.refinement import photo_of_view
from tests.faults import BLURRED, COVERED, HARMLESS, HIDDEN, SHUT

FAULTY = {"306": (0, 8), "369": (0, 8), "bust": (0,), "rendered": (25,)}
FAULTS = HARMLESS | BLURRED | SHUT | HIDDEN | COVERED
GIVEN_POSE = ("the head is turned", "the head is tilted")
"""Beginnings of warnings about the pose, which a fault does not change."""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--captures", required=True, type=Path)
    parser.add_argument("--photos", required=True, type=Path)
    given = parser.parse_args()
    told: dict[str, Counter[str]] = {name: Counter() for name in FAULTS}
    upright = turned = righted = 0
    for photo, gets_faults in photos_of(given.captures, given.photos):
        finder = FaceMeshFinder()
        faces = finder.find(photo.rgb)
        if not faces:
            continue
        turned += bool(find_upright_face(finder, photo)[2])
        for name, fault in FAULTS.items():
            if gets_faults or name == "as it came":
                told[name].update(warnings_for(replace(photo, rgb=fault(photo.rgb, choose_face(faces)))))
        for quarters in (1, 2, 3) if gets_faults else ():
            lying = replace(photo, rgb=np.ascontiguousarray(np.rot90(photo.rgb, quarters)), alpha=None)
            found, _, _ = find_upright_face(finder, lying)
            upright += 1
            righted += found.rgb.shape == photo.rgb.shape and bool((found.rgb == photo.rgb).all())
    for name, counter in told.items():
        print(f"{name}: " + ", ".join(f"{count} × {text}" for text, count in sorted(counter.items())))
    print(f"turned though upright: {turned}; upright again: {righted} of {upright}")


def photos_of(captures: Path, photos: Path) -> Iterator[tuple[Photo, bool]]:
    """Yield each photo, and whether it gets faults."""
    for path in (PORTRAIT, *sorted(photos.glob("made_*.jpg"))):
        yield load_photo(path), True
    for name, faulty in FAULTY.items():
        capture = read_capture(captures / name)
        for index, view in enumerate(capture.views):
            yield replace(photo_of_view(view, capture.folder), alpha=None), index in faulty


def warnings_for(photo: Photo) -> list[str]:
    """The warnings about a photo but for its pose, in short; `none` for a good one."""
    faces = FaceMeshFinder().find(photo.rgb)
    if not faces:
        return ["no face"]
    (seen,) = observe([photo], [choose_face(faces)])
    short = [text.split(",")[0].split(":")[0] for text in seen.concerns() if not text.startswith(GIVEN_POSE)]
    return short or ["none"]


if __name__ == "__main__":
    main()
