"""All formats of Gaussians and meshes, by the ending of a file's name, with their readers and writers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fastavatar.core import Gaussians, Mesh
from fastavatar.errors import InputError, UsageError
from fastavatar.formats.html import page
from fastavatar.formats.meshes import (
    encode_glb,
    encode_mesh_ply,
    encode_obj,
    encode_stl,
    has_faces,
    obj,
    parse_glb,
    parse_mesh_ply,
    parse_obj,
    parse_stl,
    stl,
)
from fastavatar.formats.meshes import glb as mesh_glb
from fastavatar.formats.meshes import ply as mesh_ply
from fastavatar.formats.splats import (
    DEFAULT_FRAME,
    Frame,
    Stored,
    compressed_ply,
    encode_npz,
    encode_ply,
    encode_splat,
    glb,
    parse_ksplat,
    parse_npz,
    parse_ply,
    parse_sog,
    parse_splat,
    parse_spz,
    sog,
    splat,
    spz,
)
from fastavatar.system import replacing, replacing_all


@dataclass(frozen=True)
class Format:
    """A file format of Gaussians."""

    ending: str
    """Ending of the file's name, in lower case."""
    encode: Callable[[Gaussians, Frame], bytes]
    """Head-frame Gaussians → the bytes of a file in that frame."""
    parse: Callable[[Path], Stored]
    """A file → its content; raises `InputError` when the file is missing or damaged."""
    losses: Callable[[Gaussians], tuple[str, ...]]
    """Gaussians → what of them the format cannot hold, one sentence each."""


@dataclass(frozen=True)
class MeshFormat:
    """A file format of triangle meshes in the head frame."""

    ending: str
    """Ending of the file's name, in lower case."""
    encode: Callable[[Mesh, str], dict[str, bytes]]
    """Mesh and the file's name → the bytes of that file, and of those that belong beside it, by name."""
    parse: Callable[[Path], Mesh]
    """A file → its mesh; raises `InputError` when the file is missing or damaged."""
    losses: Callable[[Mesh], tuple[str, ...]]
    """Mesh → what of it the format cannot hold, one sentence each."""


def _nothing(gaussians: Gaussians) -> tuple[str, ...]:
    return ()


def _write_only(path: Path) -> Stored:
    raise UsageError(
        f"cannot read {path}: {path.suffix} files can only be written; read the .ply file instead"
    )


def _read_only(gaussians: Gaussians, frame: Frame) -> bytes:
    raise UsageError(".ksplat files can only be read; write .spz, which is as small")


FORMATS = (
    Format(".compressed.ply", compressed_ply.encode_compressed_ply, parse_ply, compressed_ply.losses),
    Format(".ply", encode_ply, parse_ply, _nothing),
    Format(".splat", encode_splat, parse_splat, splat.losses),
    Format(".npz", encode_npz, parse_npz, _nothing),
    Format(".sog", sog.encode_sog, parse_sog, sog.losses),
    Format(".spz", spz.encode_spz, parse_spz, spz.losses),
    Format(".ksplat", _read_only, parse_ksplat, _nothing),
    Format(".glb", glb.encode_glb, _write_only, glb.losses),
    Format(".html", page.encode_page, _write_only, page.losses),
)
"""Every format. A file has the first format whose ending its name has, so .compressed.ply comes before
.ply."""


MESH_FORMATS = (
    MeshFormat(".glb", encode_glb, parse_glb, mesh_glb.losses),
    MeshFormat(".obj", encode_obj, parse_obj, obj.losses),
    MeshFormat(".ply", encode_mesh_ply, parse_mesh_ply, mesh_ply.losses),
    MeshFormat(".stl", encode_stl, parse_stl, stl.losses),
)
"""Every format of meshes."""


def format_of(path: str | Path) -> Format:
    """The format of a file by its name; raises `UsageError`, with a list of endings, for an unknown one."""
    name = Path(path).name.lower()
    found = next((known for known in FORMATS if name.endswith(known.ending)), None)
    if found is None:
        endings = ", ".join(known.ending for known in FORMATS)
        raise UsageError(f"{path} does not have the ending of a known format: use one of {endings}")
    return found


def read_gaussians(path: str | Path, frame: Frame | None = None) -> Gaussians:
    """Read a file of any format into the head frame.

    `frame` is the frame of the file, by default the frame that the file states, else `supersplat`. Gaussians
    that cannot be drawn are dropped with a warning. Raises `InputError` when the file is missing, damaged or
    holds no Gaussian that can be drawn, `UsageError` for an unknown ending.
    """
    stored = format_of(path).parse(Path(path))
    try:
        return stored.in_head_frame(frame, path)
    except InputError as error:
        raise InputError(f"cannot read {path}: {error}") from None


def write_gaussians(
    gaussians: Gaussians, path: str | Path, frame: Frame = DEFAULT_FRAME, overwrite: bool = True
) -> tuple[str, ...]:
    """Write head-frame Gaussians in the format of the file's ending.

    Returns what the format cannot hold, one sentence each. `path` is replaced as a whole. Raises `UsageError`
    for an unknown ending or frame, `InputError` for no Gaussians or non-finite ones, and what `replacing`
    raises when `path` cannot or, without `overwrite`, may not be written.
    """
    wanted = format_of(path)
    encoded = wanted.encode(gaussians, frame)
    with replacing(Path(path), overwrite) as partial:
        partial.write_bytes(encoded)
    return wanted.losses(gaussians)


def mesh_format_of(path: str | Path) -> MeshFormat:
    """The format of a mesh by its file's name; raises `UsageError`, with a list of endings, if unknown."""
    ending = Path(path).suffix.lower()
    found = next((known for known in MESH_FORMATS if known.ending == ending), None)
    if found is None:
        endings = ", ".join(known.ending for known in MESH_FORMATS)
        raise UsageError(f"{path} does not have the ending of a known mesh format: use one of {endings}")
    return found


def holds_mesh(path: str | Path) -> bool:
    """Whether the file at `path` is read as a mesh: by its ending, and for a .ply by whether it has faces."""
    ending = Path(path).suffix.lower()
    if ending == ".ply":
        return has_faces(Path(path))
    return any(known.ending == ending for known in MESH_FORMATS)


def holds_splats(path: str | Path) -> bool:
    """Whether the file at `path` is read as Gaussians: by its ending, and a .ply unless it has faces."""
    name = Path(path).name.lower()
    return any(name.endswith(known.ending) for known in FORMATS) and not holds_mesh(path)


def read_mesh(path: str | Path) -> Mesh:
    """Read a mesh of any format into the head frame: metres, y up, the face along +z.

    Raises `InputError` when the file is missing, damaged, has no triangles or a vertex that is not finite,
    `UsageError` for an unknown ending.
    """
    mesh = mesh_format_of(path).parse(Path(path))
    try:
        _require_drawable(mesh)
    except InputError as error:
        raise InputError(f"cannot read {path}: {error}") from None
    return mesh


def write_mesh(mesh: Mesh, path: str | Path, overwrite: bool = True) -> tuple[str, ...]:
    """Write a mesh in the format of the file's ending; an .obj gets its material and picture beside it.

    Returns what the format cannot hold, one sentence each. The same mesh gives the same bytes, and all files
    are replaced or none. Raises `UsageError` for an unknown ending, `InputError` for a mesh without triangles
    or with a vertex that is not finite, and what `replacing` raises when a file cannot or, without
    `overwrite`, may not be written.
    """
    path, wanted = Path(path), mesh_format_of(path)
    _require_drawable(mesh)
    encoded = wanted.encode(mesh, path.name)
    with replacing_all([path.with_name(name) for name in encoded], overwrite) as partials:
        for partial, content in zip(partials, encoded.values(), strict=True):
            partial.write_bytes(content)
    return wanted.losses(mesh)


def _require_drawable(mesh: Mesh) -> None:
    if not len(mesh.faces):
        raise InputError("the mesh has no triangles")
    if not bool(mesh.vertices.isfinite().all()):
        raise InputError("a vertex of the mesh is not finite")
