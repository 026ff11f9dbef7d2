"""Meshes as `.obj` files, with a `.mtl` and a `.png` beside where they have a texture.

Metres, y up, the face along +z. Our own writer, because trimesh doubles the vertices along the seams of a
texture, which opens a closed mesh. Source: Wavefront's description of the Object Files, version 3.0.
"""

from pathlib import PurePath

import numpy as np

from fastavatar.core import Mesh
from fastavatar.formats.meshes import encode_texture
from fastavatar.geometry import Array, Ints

MATERIAL = "head"


def encode_obj(mesh: Mesh, name: str) -> dict[str, bytes]:
    """The bytes of the file `name`, and of the material and picture beside it, by their names.

    Faces keep their order; those of one part that follow each other are a group with the part's name.
    """
    stem = PurePath(name).stem
    textured = mesh.texture is not None and mesh.uv is not None
    lines = ["# metres, y up, the face looks along +z"]
    places = mesh.vertices.detach().double().cpu().numpy()
    if mesh.colors is not None and not textured:
        places = np.concatenate([places, mesh.colors.double().cpu().numpy()], 1)
    if textured:
        lines.append(f"mtllib {stem}.mtl")
    lines += _rows("v", places, "%.9g")
    if mesh.uv is not None:
        lines += _rows("vt", mesh.uv.double().cpu().numpy(), "%.9g")
    lines += _rows("vn", mesh.normals().double().cpu().numpy(), "%.4f")
    if textured:
        lines.append(f"usemtl {MATERIAL}")
    lines += _faces(mesh)
    files = {name: _text(lines)}
    if mesh.texture is not None and textured:
        material = ["newmtl head", "Kd 1 1 1", "Ks 0 0 0", "illum 1", f"map_Kd {stem}.png"]
        files |= {f"{stem}.mtl": _text(material), f"{stem}.png": encode_texture(mesh.texture)}
    return files


def losses(mesh: Mesh) -> tuple[str, ...]:
    """What of `mesh` the format cannot hold, one sentence each."""
    moving = mesh.shapes is not None or mesh.skeleton is not None
    return ("shapes and skeleton are left out",) if moving else ()


def _faces(mesh: Mesh) -> list[str]:
    """Lines of all faces, after a line with the name of each group of faces of one part."""
    faces = mesh.faces.cpu().numpy() + 1
    corners = faces if mesh.uv_faces is None else mesh.uv_faces.cpu().numpy() + 1
    named = [f"{a}//{a}" for a in range(len(mesh.vertices) + 1)]
    if mesh.uv is None:
        lines = [f"f {named[a]} {named[b]} {named[c]}" for a, b, c in faces.tolist()]
    else:
        lines = _textured_faces(faces, corners)
    if mesh.parts is None:
        return lines
    parts = mesh.parts.cpu().numpy()
    starts = np.flatnonzero(np.diff(parts, prepend=-1))
    grouped: list[str] = []
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(parts)], strict=True):
        part = int(parts[start])
        grouped.append(f"g {mesh.part_names[part] if part < len(mesh.part_names) else f'part_{part}'}")
        grouped += lines[start:end]
    return grouped


def _textured_faces(faces: Ints, corners: Ints) -> list[str]:
    both = np.stack([faces, corners, faces], 2).reshape(-1, 9)
    return ["f {}/{}/{} {}/{}/{} {}/{}/{}".format(*row) for row in both.tolist()]


def _rows(word: str, values: Array, number: str) -> list[str]:
    """One line for each row of values (N, C): the word, then its numbers, each written by `number`."""
    row = f"{word} " + " ".join([number] * values.shape[1])
    return [row % tuple(numbers) for numbers in values.tolist()]


def _text(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()
