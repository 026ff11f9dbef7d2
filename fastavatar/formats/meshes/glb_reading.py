"""Reads the triangle meshes of a `.glb`, of this program or any other, as one mesh in the head frame."""

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fastavatar.core import Mesh, Shapes, Skeleton
from fastavatar.errors import InputError
from fastavatar.formats.meshes import (
    MOST_PIXELS,
    GltfObject,
    GltfPrimitive,
    colors_of_vertices,
    damaged_in_one_line,
    gltf_primitives,
    read_accessor,
)
from fastavatar.system import unpack_glb

_NEEDS = {"KHR_mesh_quantization", "KHR_texture_transform", "KHR_materials_unlit"}
"""Extensions that change nothing about what is read here, even where a file requires them."""


def parse_glb(path: Path) -> Mesh:
    """The mesh in a GLB: each glTF mesh is a part, and corners at one place of a part are one vertex.

    The mesh is as the nodes place it, at rest. One picture stays a texture; several become colours of the
    vertices. Raises `InputError` when the file is missing, damaged, or holds no triangles.
    """
    document, content = unpack_glb(path)
    with damaged_in_one_line(path, "glb"):
        if "KHR_gaussian_splatting" in document.get("extensionsUsed", []):
            raise InputError("it holds Gaussians and no mesh, and such files can only be written")
        if others := set(document.get("extensionsRequired", [])) - _NEEDS:
            raise InputError(f"it needs the extension {', '.join(sorted(others))}, which is not read")
        found = list(gltf_primitives(document, content))
        if not found:
            raise InputError("it holds no triangles")
        return _joined(found, document, content)


def _joined(found: list[GltfPrimitive], document: GltfObject, content: bytes) -> Mesh:
    """All primitives as one mesh, those of one name as one part."""
    names = tuple(dict.fromkeys(one.name for one in found))
    images = {one.image for one in found if one.image is not None and one.uv is not None}
    pictures = {image: _picture(document, content, image) for image in images}
    texture = next(iter(pictures.values())) if len(pictures) == 1 else None
    shapes = tuple(dict.fromkeys(name for one in found for name in one.offsets))
    colored = any(one.colors is not None for one in found) or len(pictures) > 1
    welded = [_welded(one, shapes, pictures if colored else {}) for one in found]
    first, first_uv = 0, 0
    faces, uv_faces = [], []
    for mesh in welded:
        assert mesh.uv is not None and mesh.uv_faces is not None
        faces.append(mesh.faces + first)
        uv_faces.append(mesh.uv_faces + first_uv)
        first, first_uv = first + len(mesh.vertices), first_uv + len(mesh.uv)
    textured = texture is not None or any(one.uv is not None for one in found)
    mesh = Mesh(
        torch.cat([mesh.vertices for mesh in welded]),
        torch.cat(faces),
        uv=torch.cat([mesh.uv for mesh in welded if mesh.uv is not None]) if textured else None,
        uv_faces=torch.cat(uv_faces) if textured else None,
        parts=torch.cat([torch.full((len(m.faces),), names.index(m.part_names[0])) for m in welded]),
        part_names=names,
        colors=torch.cat([m.colors for m in welded if m.colors is not None]) if colored else None,
        texture=texture,
        shapes=Shapes(shapes, torch.cat([m.shapes.offsets for m in welded if m.shapes], 1))
        if shapes
        else None,
        skeleton=_skeleton(found, welded, document, content),
    )
    return mesh


def _welded(one: GltfPrimitive, shapes: tuple[str, ...], pictures: dict[int, Tensor]) -> Mesh:
    """A primitive whose vertices at one place are one, with texture coordinates of their own."""
    places, first, index = np.unique(one.vertices, axis=0, return_index=True, return_inverse=True)
    index = index.reshape(-1)
    offsets = np.zeros((len(shapes), len(places), 3), np.float32)
    for number, name in enumerate(shapes):
        if name in one.offsets:
            offsets[number] = one.offsets[name][first]
    uv = np.full((len(one.vertices), 2), 0.5) if one.uv is None else one.uv
    white = np.ones((len(places), 3)) if one.colors is None else one.colors[first]
    mesh = Mesh(
        torch.from_numpy(places).float(),
        torch.from_numpy(index[one.faces]),
        uv=torch.from_numpy(uv).float(),
        uv_faces=torch.from_numpy(one.faces),
        part_names=(one.name,),
        colors=torch.from_numpy(white).float(),
        shapes=Shapes(shapes, torch.from_numpy(offsets)),
    )
    if one.image in pictures and one.uv is not None:
        textured = Mesh(
            mesh.vertices, mesh.faces, uv=mesh.uv, uv_faces=mesh.uv_faces, texture=pictures[one.image]
        )
        return Mesh(**{**vars(mesh), "colors": colors_of_vertices(textured)})
    return mesh


def _skeleton(
    found: list[GltfPrimitive], welded: list[Mesh], document: GltfObject, content: bytes
) -> Skeleton | None:
    """The first skin without its root, if all primitives follow it; None where there is no such skin."""
    if any(one.weights is None for one in found) or "skins" not in document:
        return None
    skin = document["skins"][0]
    joints, nodes = skin["joints"], document["nodes"]
    above = {child: parent for parent, node in enumerate(nodes) for child in node.get("children", [])}
    order = {node: number for number, node in enumerate(joints)}
    root = next((number for number, node in enumerate(joints) if above.get(node) not in order), None)
    inverses = read_accessor(document, content, skin["inverseBindMatrices"]).reshape(-1, 4, 4)
    kept = [number for number in range(len(joints)) if number != root]
    rank = {number: place for place, number in enumerate(kept)} | {root: -1}
    parents = tuple(rank[order[above[joints[number]]]] for number in kept)
    places = np.stack([np.linalg.inv(inverses[number].T)[:3, 3] for number in kept])
    weights = []
    for one in found:
        assert one.weights is not None
        _, first = np.unique(one.vertices, axis=0, return_index=True)
        weights.append(one.weights[first][:, kept])
    return Skeleton(
        tuple(str(nodes[joints[number]].get("name", f"joint_{number}")) for number in kept),
        parents,
        torch.from_numpy(places).float(),
        torch.from_numpy(np.concatenate(weights)).float(),
    )


def _picture(document: GltfObject, content: bytes, image: int) -> Tensor:
    """The picture (H, W, 3) that the file holds under a number."""
    stored = document["images"][image]
    if "bufferView" not in stored:
        raise InputError("its texture is another file: export it with the texture inside")
    view = document["bufferViews"][stored["bufferView"]]
    start = view.get("byteOffset", 0)
    try:
        with Image.open(
            io.BytesIO(content[start : start + view["byteLength"]]), formats=("PNG", "JPEG")
        ) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise InputError(f"its texture has {picture.width}×{picture.height} px")
            return torch.from_numpy(np.array(picture.convert("RGB")))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError("its texture is no picture, or a damaged one") from error
