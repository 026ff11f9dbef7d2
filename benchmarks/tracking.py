"""A head moved by known weights, filmed by `render`, tracked back: `python -m benchmarks.tracking [PHOTO …]`.

Prints Markdown: mean error of the weights that move and of all 52, error of the turn of the head, and frames
a second. The first frame is the head at rest, and counts as the driver's rest.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fastavatar.head import arkit_weights
from fastavatar.images import load_photo
from fastavatar.models import load_predictor
from fastavatar.rendering import facing_camera, head_sphere
from fastavatar.results import Picture, draw_motion, write_video
from fastavatar.rig import STRAIGHT_AHEAD, Motion, Rig, against_frame, bind, track_video

FPS = 30.0
SIZE_PX = 512
CLOSE = 0.75
"""Width of the picture in diameters of the head: the face is about 150 px across, as before a webcam."""
SECONDS = 0.7
"""How long a pose takes from rest to rest."""
POSES: tuple[tuple[dict[str, float], tuple[float, float, float]], ...] = (
    ({"jawOpen": 0.7}, (0, 0, 0)),
    ({"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8}, (0, 0, 0)),
    ({"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}, (0, 0, 0)),
    ({"eyeBlinkLeft": 1.0}, (0, 0, 0)),
    ({"browInnerUp": 0.9, "browOuterUpLeft": 0.8, "browOuterUpRight": 0.8}, (0, 0, 0)),
    ({"browDownLeft": 0.9, "browDownRight": 0.9}, (0, 0, 0)),
    ({"mouthPucker": 0.9}, (0, 0, 0)),
    ({"mouthFunnel": 0.7, "jawOpen": 0.3}, (0, 0, 0)),
    ({"mouthLeft": 0.8}, (0, 0, 0)),
    ({"jawRight": 0.7}, (0, 0, 0)),
    ({}, (20, 0, 0)),
    ({}, (-20, 5, 0)),
    ({}, (0, -12, 8)),
    ({"jawOpen": 0.5, "mouthSmileLeft": 0.5}, (15, 8, -6)),
)
"""Expressions and the turn of the head that goes with each."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    portrait = Path(__file__).parents[1] / "data" / "example.png"
    parser.add_argument("photos", nargs="*", type=Path, default=[portrait])
    print("| head | weights that move | all 52 | turn | worst turn | frames/s | frames/s of CPU |")
    print("|---|---|---|---|---|---|---|")
    truth = known_motion()
    for photo in parser.parse_args().photos:
        # From a neutral face, as a driver's: a mouth that smiles in the photo would not be seen to pucker
        rig = bind(load_predictor("facemesh").predict(load_photo(photo)), from_neutral=True)
        with tempfile.TemporaryDirectory() as folder:
            video = Path(folder) / "driver.mp4"
            write_video(filmed(rig, truth), video, FPS)
            clock, work = time.perf_counter(), time.process_time()
            found = against_frame(track_video(video), 0)
            clock, work = time.perf_counter() - clock, time.process_time() - work
        error = np.abs(found.weights - truth.weights)
        moving = truth.weights > 0.05
        turn = np.abs(found.head_turns - truth.head_turns)
        print(
            f"| {photo.stem} | {error[moving].mean():.3f} | {error.mean():.3f} | {turn.mean():.2f}° | "
            f"{turn.max():.1f}° | {len(found) / clock:.0f} | {len(found) / work:.0f} |"
        )


def known_motion() -> Motion:
    """Each of `POSES` from rest to its whole and back, after one frame at rest."""
    share = np.sin(np.pi * np.arange(round(SECONDS * FPS)) / round(SECONDS * FPS)) ** 2
    poses = [(arkit_weights(weights), np.array(turn)) for weights, turn in POSES]
    weights = np.concatenate([share[:, None] * pose for pose, _ in poses])
    turns = np.concatenate([share[:, None] * turn for _, turn in poses])
    return Motion(FPS, weights, turns, np.repeat(STRAIGHT_AHEAD[None], len(weights), 0))


def filmed(rig: Rig, motion: Motion) -> Iterator[Picture]:
    """Pictures of a head that moves, from straight before it."""
    center, radius_m = head_sphere(rig.rest)
    camera = facing_camera(center, CLOSE * radius_m, SIZE_PX)
    return draw_motion(rig, motion, camera, (0.6, 0.6, 0.6))


if __name__ == "__main__":
    main()
