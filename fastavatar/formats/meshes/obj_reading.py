"""Reads `.obj` files: vertices, triangles, texture coordinates, groups and the first texture of the material.

Source: Wavefront's description of the Object Files, version 3.0.
"""

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from fastavatar.core import Mesh
from fastavatar.errors import InputError
from fastavatar.formats.meshes import damaged_in_one_line, read_texture
from fastavatar.system import read_bytes

log = logging.getLogger(__name__)


@dataclass
class _Content:
    """The lines of a file by what they hold."""

    places: list[list[float]] = field(default_factory=list)
    colors: list[list[float]] = field(default_factory=list)
    uv: list[list[float]] = field(default_factory=list)
    faces: list[tuple[int, int, int]] = field(default_factory=list)
    uv_faces: list[tuple[int, int, int]] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    library: str | None = None


def parse_obj(path: Path) -> Mesh:
    """The mesh in an OBJ file, with the texture that its material names.

    Faces of more corners are cut into fans. A texture that cannot be read is left out with a warning. Raises
    `InputError` when the file is missing or damaged.
    """
    with damaged_in_one_line(path, "obj"):
        content = _content(read_bytes(path).decode("utf-8", "replace"))
        mesh = _mesh(content)
    if content.library is None or mesh.uv is None:
        return mesh
    picture = _texture_of(path.parent, content.library)
    if picture is None:
        return mesh
    try:
        return replace(mesh, texture=read_texture(picture))
    except InputError as error:
        log.warning("%s: without its texture: %s", path, error)
        return mesh


def _content(text: str) -> _Content:
    """The lines that make a mesh; raises `ValueError` with the number of a line that does not fit."""
    found = _Content()
    part = -1
    for number, line in enumerate(text.splitlines(), 1):
        word, _, rest = line.strip().partition(" ")
        try:
            match word:
                case "v":
                    values = [float(value) for value in rest.split()]
                    if len(values) < 3:
                        raise ValueError("a vertex needs 3 numbers")
                    found.places.append(values[:3])
                    if len(values) >= 6:
                        found.colors.append(values[3:6])
                case "vt":
                    first, second, *_ = (float(value) for value in rest.split())
                    found.uv.append([first, second])
                case "f":
                    _add_face(found, rest.split(), part)
                case "g" | "o":
                    part = found.names.setdefault(rest.strip(), len(found.names))
                case "mtllib" if found.library is None:
                    found.library = rest.strip()
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    return found


def _add_face(found: _Content, corners: list[str], part: int) -> None:
    """Append the fan of triangles of a face; indices count from 1, negative ones from the latest backward."""
    if len(corners) < 3:
        raise ValueError("a face needs 3 corners")
    fields = [corner.split("/") for corner in corners]
    vertices = [_index(one[0], len(found.places)) for one in fields]
    textured = all(len(one) > 1 and one[1] for one in fields)
    uv = [_index(one[1], len(found.uv)) for one in fields] if textured else None
    for k in range(1, len(corners) - 1):
        found.faces.append((vertices[0], vertices[k], vertices[k + 1]))
        found.parts.append(part)
        if uv is not None:
            found.uv_faces.append((uv[0], uv[k], uv[k + 1]))


def _index(text: str, count: int) -> int:
    number = int(text)
    index = number - 1 if number > 0 else count + number
    if not 0 <= index < count:
        raise ValueError(f"{number} is the number of no row before it")
    return index


def _mesh(found: _Content) -> Mesh:
    textured = bool(found.faces) and len(found.uv_faces) == len(found.faces)
    colored = bool(found.places) and len(found.colors) == len(found.places)
    grouped = bool(found.names) and min(found.parts, default=-1) >= 0
    return Mesh(
        torch.from_numpy(np.array(found.places, np.float32).reshape(-1, 3)),
        torch.from_numpy(np.array(found.faces, np.int64).reshape(-1, 3)),
        uv=torch.from_numpy(np.array(found.uv, np.float32)) if textured else None,
        uv_faces=torch.from_numpy(np.array(found.uv_faces, np.int64)) if textured else None,
        parts=torch.tensor(found.parts) if grouped else None,
        part_names=tuple(found.names) if grouped else (),
        colors=torch.from_numpy(np.array(found.colors, np.float32)) if colored else None,
    )


def _texture_of(folder: Path, library: str) -> Path | None:
    """The first picture of colours that a material library in `folder` names; None where there is none."""
    place = folder / library
    if not place.is_file() or not _lies_in(place, folder):
        log.warning("the material file %s is missing", place)
        return None
    for line in read_bytes(place).decode("utf-8", "replace").splitlines():
        word, _, name = line.strip().partition(" ")
        if word == "map_Kd":
            picture = folder / name.strip()
            return picture if _lies_in(picture, folder) else None
    return None


def _lies_in(path: Path, folder: Path) -> bool:
    """Whether `path`, links aside, is in `folder`: a file that somebody hands on names no other place."""
    return ".." not in path.relative_to(folder).parts if path.is_relative_to(folder) else False
