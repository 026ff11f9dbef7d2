"""What MediaPipe's network reads of each expression: `python -m benchmarks.painted_expressions`.

Made-up people of the parametric head are painted, as `scripts.head` paints them for Face Mesh, and show every
expression alone. Their faces are at rest otherwise, and no photo is involved. Prints Markdown: the network's
value of that name at rest, at half, whole and double the expression, mean over people, and what else it reads
of the whole one. An expression that even its double hardly changes is one that the network does not tell.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fastavatar.faces import FaceMeshFinder
from fastavatar.geometry import Array
from fastavatar.head import ARKIT_NAMES, ParametricHead, load_head
from scripts.head.landmarks import SIGMA
from scripts.head.painting import Painter, Paints, Shot, shot_from
from scripts.head.raw import JOINTS, RawHead

NAMES = [name for name in ARKIT_NAMES if name != "tongueOut"]
"""What MediaPipe's network has, too."""
STEPS = (0.5, 1.0, 2.0)
TELLS = 0.25
"""A rise of the double expression from which the network tells it."""
OTHERS = 3
"""Other expressions listed beside each."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--seed", type=int, default=7, help="of the people")
    chosen = parser.parse_args()
    painter = Painter(raw_head(load_head()))
    found = [readings(person) for person in people(painter, chosen.people, chosen.seed)]
    rest = np.nanmean([at_rest for at_rest, _ in found], 0)
    shown = np.nanmean([values for _, values in found], 0)
    steps = " | ".join(f"{step:g}" for step in STEPS)
    print(f"| expression | rest | {steps} | told | reads as well |\n|---|---|" + "---|" * (len(STEPS) + 2))
    for index, name in enumerate(NAMES):
        values = shown[index]
        rise = values[STEPS.index(1.0)] - rest
        others = [k for k in np.argsort(-np.abs(rise)) if k != index][:OTHERS]
        told = "yes" if values[-1, index] - rest[index] >= TELLS else "no"
        cells = [f"{rest[index]:.2f}", *(f"{value:.2f}" for value in values[:, index]), told]
        print(f"| {name} | " + " | ".join(cells), end=" | ")
        print(", ".join(f"{NAMES[k]} {rise[k]:+.2f}" for k in others) + " |")


def raw_head(head: ParametricHead) -> RawHead:
    """The packaged head as the painter takes it."""
    same = ("mean", "modes", "actions", "faces", "parts", "uv", "uv_faces", "mirror", "weights", "joints")
    return RawHead(
        **{name: getattr(head, name) for name in same}, joint_modes=head.joint_modes, regions=head.regions
    )


@dataclass(frozen=True)
class Person:
    """A made-up person before a camera."""

    painter: Painter
    vertices: Array
    """(V, 3) at rest, metres."""
    shot: Shot
    paints: Paints

    def read(self, weights: dict[str, float]) -> Array:
        """What the network reads (E,) of expressions, in the order of `NAMES`; NaN if it finds no face."""
        head = self.painter.head
        vertices = self.vertices.copy()
        for name, weight in weights.items():
            vertices += weight * head.actions[ARKIT_NAMES.index(name)]
        picture = self.painter.picture(vertices, self.shot.of(vertices, head.faces), self.paints)
        faces = FaceMeshFinder().find((255 * picture).astype(np.uint8))
        if not faces:
            return np.full(len(NAMES), np.nan)
        face = max(faces, key=lambda each: each.area)
        return np.array([face.expression[name] for name in NAMES])


def people(painter: Painter, count: int, seed: int) -> Iterator[Person]:
    """Made-up people, straight before the camera; every other one has hair."""
    random, head = np.random.default_rng(seed), painter.head
    eyes = [JOINTS.index("left_eye"), JOINTS.index("right_eye")]
    for index in range(count):
        shape = random.normal(0, SIGMA, len(head.modes))
        vertices = head.mean + np.tensordot(shape, head.modes.astype(np.float64), 1)
        joints = head.joints + np.tensordot(shape, head.joint_modes.astype(np.float64), 1)
        shot = shot_from(0.0, 0.0, joints[eyes].mean(0) + [0, -0.035, 0.02])
        tone = float(random.uniform(0.6, 1.15))
        yield Person(painter, vertices, shot, Paints(tone, hair=index % 2 == 1))


def readings(person: Person) -> tuple[Array, Array]:
    """What the network reads at rest (E,), and of every expression at every step (E, S, E)."""
    shown = [[person.read({name: step}) for step in STEPS] for name in NAMES]
    return person.read({}), np.array(shown)


if __name__ == "__main__":
    main()
