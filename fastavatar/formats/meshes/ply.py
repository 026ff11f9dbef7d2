"""Meshes as binary `.ply` files with vertex colours: metres, y up, the face along +z."""

from pathlib import Path

from fastavatar.core import Mesh
from fastavatar.errors import InputError
from fastavatar.formats.meshes import loaded_by_trimesh, to_trimesh
from fastavatar.system import MAX_PLY_HEADER_BYTES, PlyHeader, opened, parse_header, require_enough_bytes


def encode_mesh_ply(mesh: Mesh, name: str) -> dict[str, bytes]:
    """The bytes of the one file `name`; a texture becomes colours of the vertices."""
    from trimesh.exchange.ply import export_ply

    return {name: export_ply(to_trimesh(mesh), vertex_normal=False, include_attributes=False)}


def parse_mesh_ply(path: Path) -> Mesh:
    """The mesh in a PLY, text or binary; raises `InputError` when it is missing, damaged or has no faces."""
    try:
        header = _header(path)
        require_enough_bytes(header, path.stat().st_size)
    except ValueError as error:
        raise InputError(f"cannot read {path}: it is no PLY file, or a damaged one ({error})") from None
    if not _counts_faces(header):
        raise InputError(f"cannot read {path}: it holds no faces")
    return loaded_by_trimesh(path, "ply")


def losses(mesh: Mesh) -> tuple[str, ...]:
    """What of `mesh` the format cannot hold, one sentence each."""
    textured = ("the texture becomes colours of the vertices",) if mesh.texture is not None else ()
    moving = mesh.shapes is not None or mesh.skeleton is not None
    return textured + (("shapes and skeleton are left out",) if moving else ())


def has_faces(path: Path) -> bool:
    """Whether a PLY file states faces, as a mesh does and Gaussians do not; False for what cannot be read."""
    try:
        return _counts_faces(_header(path))
    except ValueError:
        return False


def _header(path: Path) -> PlyHeader:
    with opened(path) as file:
        return parse_header(file.read(MAX_PLY_HEADER_BYTES))


def _counts_faces(header: PlyHeader) -> bool:
    return any(element.name == "face" and element.count > 0 and element.lists for element in header.elements)
