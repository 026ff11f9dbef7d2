"""Makes one made-up person's capture, from its seed and number."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fastavatar.geometry import Array
from fastavatar.head import load_head
from fastavatar.train.people import (
    Arrangement,
    Body,
    Person,
    build_body,
    encoded,
    person_scene,
    picture,
    place_cameras,
    points_on,
    sample_expression,
    sample_light,
    sample_person,
    start_mitsuba,
    write_capture,
)

_SMALL_PX = 300
"""Height of pictures up to which a texture of 1024 pixels, 1.2 a millimetre on the face, is finer than they are."""


@dataclass(frozen=True)
class PictureSettings:
    """How people are photographed."""

    views: int = 16
    size: tuple[int, int] = (550, 802)
    """Width and height in pixels."""
    cameras: Arrangement = "nersemble"
    samples: int = 64
    """Light paths a pixel: the noise falls with their root."""
    light: tuple[Path, ...] = ()
    """Files of light; none for made-up light."""


@dataclass(frozen=True)
class PersonTask:
    """A person with one expression, to be written as a capture."""

    folder: Path
    seed: int
    number: int
    """Of the person."""
    expression: int
    """Index of the person's expression."""
    settings: PictureSettings
    threads: int | None = None
    """Threads of the renderer; None for all cores."""


def make_person(task: PersonTask) -> None:
    """Render a person and write the capture. Raises what rendering and writing raise."""
    start_mitsuba(task.threads)
    settings, key = task.settings, (task.seed, task.number)
    person = sample_person(task.seed, task.number)
    expression, turns = sample_expression(task.seed, task.number, task.expression)
    small = settings.size[1] <= _SMALL_PX
    body = build_body(person, expression, turns, 1024 if small else 2048, key)
    light = sample_light(np.random.default_rng([*key, task.expression, 6]), list(settings.light))
    cameras = place_cameras(
        settings.cameras, settings.views, settings.size, np.random.default_rng([*key, task.expression, 7])
    )
    with tempfile.TemporaryDirectory() as scratch:
        scene = person_scene(person, body, light, Path(scratch))
        pictures = [
            (camera, picture(scene, camera, settings.samples, seed)) for seed, camera in enumerate(cameras)
        ]
    arrays = _truth(person, body, expression, turns) | {"person": np.array(task.number)}
    write_capture(task.folder, pictures, points_on(body.outline), arrays)


def _truth(person: Person, body: Body, expression: Array, turns: Array) -> dict[str, Array]:
    """The arrays of `mesh.npz`: the surface, and what it was made from."""
    single = {
        "vertices": body.outline,
        "skin_vertices": body.vertices,
        "colors": encoded(body.vertex_colors),
        "identity": person.identity,
        "expression": expression,
        "turns": turns,
    }
    arrays = {name: values.astype(np.float32) for name, values in single.items()}
    return {**arrays, "faces": load_head().faces.astype(np.int32)}
