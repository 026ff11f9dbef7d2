"""Does a head show what it is told: `python -m benchmarks.animation PHOTO|RESULTS|SPLATS …`.

Each expression is set to 0, ¼, ½, ¾ and 1, the head is drawn, and MediaPipe's blendshape network reads its
weights back. Prints Markdown: for each head the network's value of that name, by how much it rises, its
correlation with what was set, and whether left and right were told apart; then how far lids and lips part by
Face Mesh, and times. The 20 expressions that move the skin most are marked *, and those that the network
tells at all by a +: of the others its value rises by less than 0.25 even where a face that is at rest
otherwise shows twice as much of them (`python -m benchmarks.painted_expressions`).
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.timing import milliseconds
from fastavatar import load_photo, load_predictor
from fastavatar.core import Avatar, Camera, Face, Gaussians
from fastavatar.faces import FaceMeshFinder
from fastavatar.formats import read_gaussians
from fastavatar.geometry import Array
from fastavatar.head import ARKIT_NAMES, load_head
from fastavatar.rendering import render
from fastavatar.results import draw_film, draw_motion, head_cameras, read_avatar, write_video
from fastavatar.rig import Rig, bind, clip

STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)
VISIBLE = 20
UNTOLD = (
    *("mouthClose", "jawForward", "jawLeft", "jawRight", "cheekPuff", "cheekSquint", "noseSneer", "eyeWide"),
    *("mouthDimple", "mouthPress", "mouthRollLower", "mouthRollUpper", "mouthLowerDown"),
    *("eyeLookUp", "eyeLookDown"),
)
"""What the network does not tell, by the name without its side."""
LEAST_RISE, LEAST_CORRELATION = 0.25, 0.9
SIZE_PX = 512
LIDS = {"eyeBlinkLeft": (386, 374), "eyeBlinkRight": (159, 145)}
"""Landmarks on the upper and on the lower lid."""
LIPS = (13, 14)


@dataclass(frozen=True)
class Head:
    """A head that is tested."""

    name: str
    rig: Rig
    camera: Camera
    bind_s: float

    def face(self, weights: dict[str, float]) -> Face | None:
        """The face that Face Mesh finds on a picture of the head."""
        (picture,) = draw_film(self.rig.pose(weights), [self.camera])
        found = FaceMeshFinder().find(picture)
        return max(found, key=lambda face: face.area) if found else None


def read(source: Path, relax: bool) -> Head:
    """The head of a photo, of a folder of results or of a splat file."""
    head: Avatar | Gaussians
    if source.is_dir():
        head = read_avatar(source)
    elif source.suffix.lower() in (".ply", ".spz", ".splat", ".npz", ".sog"):
        head = read_gaussians(source)
    else:
        head = load_predictor("facemesh").predict(load_photo(source))
    start = time.perf_counter()
    rig = bind(head, from_neutral=relax)
    seconds = time.perf_counter() - start
    gaussians = head.gaussians if isinstance(head, Avatar) else head
    return Head(source.name, rig, head_cameras(gaussians, frames=1, size_px=SIZE_PX)[0], seconds)


def visibility() -> Array:
    """(52,) root mean square movement of the face's skin under each expression, metres."""
    head = load_head()
    skin = head.region("face", "eyelids", "lips", "jaw")
    movement = np.linalg.norm(head.actions[:, skin].astype(np.float64), axis=2)
    return np.asarray(np.sqrt((movement**2).mean(1)))


def read_back(head: Head, name: str) -> tuple[list[float], float]:
    """What the network reads of an expression at each step, and of its other side at the last."""
    other = name.replace("Left", "?").replace("Right", "Left").replace("?", "Right")
    faces = [head.face({name: step}) for step in STEPS]
    values = [face.expression.get(name, np.nan) if face else np.nan for face in faces]
    last = faces[-1]
    return values, last.expression.get(other, np.nan) if last and other != name else np.nan


def print_read_back(head: Head, names: Sequence[str], marked: set[str]) -> None:
    """Print the table of one head."""
    print(f"\n{head.name}\n\n| expression | " + " | ".join(f"{step:.2f}" for step in STEPS), end="")
    print(" | rise | correlation | other side | passes |\n|---|" + "---|" * (len(STEPS) + 4))
    passed = set()
    told = {name for name in names if not name.startswith(UNTOLD)}
    for name in names:
        values, other = read_back(head, name)
        rise = values[-1] - values[0]
        correlation = np.corrcoef(STEPS, values)[0, 1] if np.ptp(values) > 0 else 0.0
        passes = rise >= LEAST_RISE and correlation >= LEAST_CORRELATION
        passed |= {name} if passes else set()
        cells = [f"{value:.2f}" for value in (*values, rise, correlation, other)]
        signs = "*" * (name in marked) + "+" * (name in told)
        print(f"| {name} {signs} | " + " | ".join(cells) + f" | {'yes' if passes else 'no'} |", flush=True)
    for what, group in (("most visible (*)", marked), ("that the network tells (+)", told)):
        print(f"{len(passed & group)} of the {len(group & set(names))} {what} pass.")
    print(f"{len(passed & marked & told)} of {len(marked & told & set(names))} that are both pass.")


def print_gaps(head: Head) -> None:
    """Print how far lids and lips are apart by Face Mesh."""
    rest, open_jaw, shut = (head.face(w) for w in ({}, {"jawOpen": 1.0}, dict.fromkeys(LIDS, 1.0)))
    if rest is None or open_jaw is None or shut is None:
        print("Face Mesh finds no face.")
        return
    for name, pair in LIDS.items():
        share = _apart_px(shut, pair) / _apart_px(rest, pair)
        print(f"both eyes shut, {name}: lid gap {100 * share:.0f} % of rest")
    distance_m = float(head.camera.world_to_camera[2, 3])
    mm_per_px = 1000 * distance_m / float(head.camera.K[0, 0])
    print(f"jawOpen: mouth gap {mm_per_px * _apart_px(open_jaw, LIPS):.0f} mm")


def _apart_px(face: Face, pair: tuple[int, int]) -> float:
    return float(np.linalg.norm(face.landmarks[pair[0], :2] - face.landmarks[pair[1], :2]))


def print_times(head: Head) -> None:
    """Print times of binding, posing, drawing and writing a video, best / median."""
    weights = torch.rand(52, generator=torch.Generator().manual_seed(0)) / 2
    turn = (10.0, 5.0, 0.0)
    posing = milliseconds(lambda: head.rig.pose(weights), 30)
    turned = milliseconds(lambda: head.rig.pose(weights, turn), 30)
    both = milliseconds(lambda: render(head.rig.pose(weights, turn), head.camera), 30)
    motion = clip("idle")
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        pictures = draw_motion(head.rig, motion, head.camera, (1.0, 1.0, 1.0))
        write_video(pictures, Path(folder) / "idle.mp4", motion.fps)
        rate = len(motion) / (time.perf_counter() - start)
    own, hidden = head.rig.own, len(head.rig.rest) - head.rig.own
    print(f"{own} Gaussians and {hidden} hidden; bound in {head.bind_s:.1f} s")
    print("posing {:.1f} / {:.1f} ms, with a head turn {:.1f} / {:.1f} ms".format(*posing, *turned))
    drawn = [1000 / each for each in both]
    print("posing and drawing {:.0f} / {:.0f} frames/s; video {:.0f} frames/s".format(*drawn, rate))


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("heads", nargs="+", type=Path)
    parser.add_argument("--relax", action="store_true", help="from a neutral face")
    parser.add_argument("--all", action="store_true", help="all expressions, not only the most visible")
    parser.add_argument("--times", action="store_true", help="only times and gaps")
    chosen = parser.parse_args()
    order = np.argsort(-visibility())
    names = [ARKIT_NAMES[index] for index in order if ARKIT_NAMES[index] != "tongueOut"]
    marked = set(names[:VISIBLE])
    for source in chosen.heads:
        head = read(source, chosen.relax)
        if not chosen.times:
            print_read_back(head, names if chosen.all else names[:VISIBLE], marked)
        print_gaps(head)
        print_times(head)


if __name__ == "__main__":
    main()
