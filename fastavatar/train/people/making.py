"""Makes one capture: of a made-up person, or of a mesh."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastavatar.errors import InputError
from fastavatar.formats import read_mesh
from fastavatar.geometry import Array, sample_triangles, triangle_areas
from fastavatar.head import load_head
from fastavatar.train.people import (
    HEAD,
    POINTS,
    Arrangement,
    Figure,
    MadeUpPerson,
    Pictures,
    Sight,
    build_figure,
    carried,
    encoded,
    mesh_scene,
    person_scene,
    photographed,
    place_cameras,
    points_on,
    sample_expression,
    sample_light,
    sample_person,
    start_mitsuba,
    write_capture,
)

_SMALL_PX = 300
"""Height of pictures up to which a texture of 1024 pixels, 1.2 a millimetre on the face, is finer."""


@dataclass(frozen=True)
class PictureSettings:
    """How people are photographed."""

    views: int = 16
    size: tuple[int, int] = (550, 802)
    """Width and height in pixels."""
    cameras: Arrangement = "nersemble"
    samples: int = 25
    """Light paths a pixel: the noise falls with their root."""
    light: tuple[Path, ...] = ()
    """Files of light; none for made-up light."""


@dataclass(frozen=True)
class PersonTask:
    """A person with one expression, to be written as a capture."""

    folder: Path
    seed: int
    number: int
    """The person's number."""
    expression: int
    """Index of the person's expression."""
    settings: PictureSettings
    threads: int | None = None
    """Threads of the renderer; None for all cores."""


@dataclass(frozen=True)
class MeshTask:
    """A mesh in a file, to be written as a capture."""

    folder: Path
    path: Path
    seed: int
    number: int
    """Decides, with the seed, about light and cameras."""
    settings: PictureSettings
    threads: int | None = None
    """Threads of the renderer; None for all cores."""


def make_capture(task: PersonTask | MeshTask) -> None:
    """Render a person or a mesh and write the capture. Raises what reading, rendering and writing raise."""
    if isinstance(task, PersonTask):
        make_person(task)
    else:
        make_photographed(task)


def make_photographed(task: MeshTask) -> None:
    """Render a mesh and write the capture; raises `InputError` for a mesh without colours, too."""
    mesh = read_mesh(task.path)
    if mesh.texture is None and mesh.colors is None:
        raise InputError(f"{task.path} has neither a texture nor vertex colours")
    start_mitsuba(task.threads)
    vertices, faces = mesh.vertices.double().numpy(), mesh.faces.numpy()
    low, high = vertices.min(0), vertices.max(0)
    middle = (low + high) / 2
    # A head's pictures show about 0.40 m of height, here with a margin of a tenth
    sight = Sight((float(middle[0]), float(middle[1]), float(middle[2])), float(np.max(high - low)) / 0.36)
    pictures = _photographed(mesh_scene(mesh, _light(task, task.number)), task, task.number, sight=sight)
    spacing = np.sqrt(triangle_areas(vertices, faces).sum() / (POINTS + 0.5))
    owner, weights = sample_triangles(vertices, faces, spacing)
    points = np.einsum("pk,pkc->pc", weights, vertices[faces[owner]])
    arrays: dict[str, NDArray[Any]] = {
        "vertices": vertices.astype(np.float32),
        "faces": faces.astype(np.int32),
    }
    if mesh.colors is not None:
        arrays["colors"] = mesh.colors.numpy().astype(np.float32)
    write_capture(task.folder, pictures, points, arrays)


def _light(task: PersonTask | MeshTask, *key: int) -> Array:
    return sample_light(np.random.default_rng([task.seed, *key, 6]), list(task.settings.light))


def _photographed(scene: Any, task: PersonTask | MeshTask, *key: int, sight: Sight = HEAD) -> Pictures:
    """The pictures of a scene by all cameras."""
    settings, random = task.settings, np.random.default_rng([task.seed, *key, 7])
    cameras = place_cameras(settings.cameras, settings.views, settings.size, random, sight)
    return list(zip(cameras, photographed(scene, cameras, settings.samples), strict=True))


def make_person(task: PersonTask) -> None:
    """Render a person and write the capture. Raises what rendering and writing raise."""
    start_mitsuba(task.threads)
    settings, key = task.settings, (task.seed, task.number)
    person = sample_person(task.seed, task.number)
    expression, turns = sample_expression(task.seed, task.number, task.expression)
    small = settings.size[1] <= _SMALL_PX
    figure = build_figure(person, expression, turns, 1024 if small else 2048, key)
    light = _light(task, task.number, task.expression)
    with tempfile.TemporaryDirectory() as scratch:
        scene = person_scene(person, figure, light, Path(scratch))
        pictures = _photographed(scene, task, task.number, task.expression)
    # The head turned in the scene, but captures are in its frame, in which the shoulders turn
    to_head = load_head().motion_of_skull(person.identity, turns).inverse()
    seen = [(carried(camera, to_head), picture) for camera, picture in pictures]
    surface = {"vertices": to_head.apply(figure.outline), "skin_vertices": to_head.apply(figure.vertices)}
    arrays = _truth(person, surface, figure, expression, turns) | {"person": np.array(task.number)}
    write_capture(task.folder, seen, points_on(surface["vertices"]), arrays)


def _truth(
    person: MadeUpPerson, surface: dict[str, Array], figure: Figure, expression: Array, turns: Array
) -> dict[str, NDArray[Any]]:
    """The arrays of `mesh.npz`: the surface, and what it was made from."""
    single = {
        **surface,
        "colors": encoded(figure.vertex_colors),
        "identity": person.identity,
        "expression": expression,
        "turns": turns,
    }
    arrays: dict[str, NDArray[Any]] = {name: values.astype(np.float32) for name, values in single.items()}
    return {**arrays, "faces": load_head().faces.astype(np.int32)}
