"""Meshes as binary glTF 2.0: parts, texture, vertex colours, shapes by name, and a skeleton.

glTF's axes and unit are the head frame's: metres, y up, the face along +z. Each part is a mesh of its own,
so that programs list eyes and teeth by name. Shapes are sparse float32 accessors, which need no extension.
Source: the glTF 2.0 specification of the Khronos Group.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fastavatar.core import Mesh, Shapes, Skeleton
from fastavatar.formats.meshes import INDICES, LEAST_OFFSET_M, VERTICES, GltfBuffer, GltfObject
from fastavatar.geometry import Array, Ints
from fastavatar.system import pack_glb

ROOT = "torso"
"""Name of the joint that stays, on which the skeleton hangs."""
JPEG_QUALITY = 92


@dataclass(frozen=True)
class _Piece:
    """The triangles of one part, with a vertex for each texture coordinate."""

    name: str
    vertices: Ints
    """(N,) index of each vertex in the mesh."""
    faces: Ints
    """(F, 3) indices into `vertices`."""
    uv: Array | None
    """(N, 2) texture coordinates, v upward; None for a part without a texture."""


def encode_glb(mesh: Mesh, name: str) -> dict[str, bytes]:
    """The bytes of the one file `name`; the same mesh gives the same bytes."""
    pieces = list(_pieces(mesh))
    buffer, document = GltfBuffer(), _document(mesh, any(piece.uv is None for piece in pieces))
    normals = mesh.normals().float().cpu().numpy()
    for number, piece in enumerate(pieces):
        document["meshes"].append(_mesh_object(mesh, piece, normals, buffer, whole=number == 0))
        # Programs rename nodes that share a name, and a joint may be called as the part that it turns
        taken = mesh.skeleton is not None and piece.name in (ROOT, *mesh.skeleton.names)
        node: GltfObject = {"name": f"{piece.name}_mesh" if taken else piece.name, "mesh": number}
        document["nodes"].append(node | ({} if mesh.skeleton is None else {"skin": 0}))
    if mesh.skeleton is not None:
        _add_skin(mesh.skeleton, document, buffer)
    document["scenes"][0]["nodes"] = _roots(document["nodes"])
    if mesh.texture is not None:
        document["images"][0]["bufferView"] = buffer.view(_jpeg(mesh.texture))
    document |= {
        "buffers": [{"byteLength": len(buffer.content)}],
        "bufferViews": buffer.views,
        "accessors": buffer.accessors,
    }
    return {name: pack_glb(document, bytes(buffer.content))}


def losses(mesh: Mesh) -> tuple[str, ...]:
    """What of `mesh` the format cannot hold, one sentence each."""
    return ("the texture is compressed as JPEG",) if mesh.texture is not None else ()


def _document(mesh: Mesh, plain: bool) -> GltfObject:
    """The parts of the document that need no numbers; `plain` says whether a part has no texture.

    The first material has the texture, if there is one; the last is that of plain or coloured parts.
    """
    surface = {"metallicFactor": 0.0, "roughnessFactor": 0.9}
    document: GltfObject = {
        "asset": {"version": "2.0", "generator": "fastavatar"},
        "scene": 0,
        "scenes": [{}],
        "nodes": [],
        "meshes": [],
        "materials": [],
    }
    if mesh.texture is not None:
        textured = {"name": "texture", "pbrMetallicRoughness": {**surface, "baseColorTexture": {"index": 0}}}
        document["materials"].append(textured)
        document["textures"] = [{"source": 0, "sampler": 0}]
        document["samplers"] = [{"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}]
        document["images"] = [{"mimeType": "image/jpeg"}]
    if plain:
        document["materials"].append({"name": "colors", "pbrMetallicRoughness": surface})
    return document


def _pieces(mesh: Mesh) -> Iterator[_Piece]:
    """The mesh's parts in order, those without triangles left out; the largest one first."""
    faces = mesh.faces.cpu().numpy()
    parts = np.zeros(len(faces), np.int64) if mesh.parts is None else mesh.parts.cpu().numpy()
    uv = None if mesh.uv is None or mesh.texture is None else mesh.uv.double().cpu().numpy()
    uv_faces = faces if mesh.uv_faces is None else mesh.uv_faces.cpu().numpy()
    for part in sorted(np.unique(parts).tolist()):
        named = mesh.part_names[part] if part < len(mesh.part_names) else None
        name = named or ("head" if mesh.parts is None else f"part_{part}")
        corners, places = faces[parts == part].ravel(), uv_faces[parts == part].ravel()
        # A part whose corners all lie at one place of the texture has colours of its vertices instead
        if uv is None or bool((uv[places] == uv[places[0]]).all()):
            vertices, index = np.unique(corners, return_inverse=True)
            yield _Piece(name, vertices, index.reshape(-1, 3), None)
        else:
            both, index = np.unique(np.stack([corners, places], 1), axis=0, return_inverse=True)
            yield _Piece(name, both[:, 0], index.reshape(-1, 3), uv[both[:, 1]])


def _mesh_object(
    mesh: Mesh, piece: _Piece, normals: NDArray[np.float32], buffer: GltfBuffer, whole: bool
) -> GltfObject:
    """The glTF mesh of one part; `whole` keeps shapes that do not move it, which the first part lists all."""
    vertices = mesh.vertices.detach().float().cpu().numpy()[piece.vertices]
    attributes = {
        "POSITION": buffer.accessor(vertices, VERTICES, bounds=True),
        "NORMAL": buffer.accessor(normals[piece.vertices], VERTICES),
    }
    material = 0 if mesh.texture is None else 1
    if piece.uv is not None:
        flipped = np.stack([piece.uv[:, 0], 1 - piece.uv[:, 1]], 1).astype(np.float32)
        attributes["TEXCOORD_0"], material = buffer.accessor(flipped, VERTICES), 0
    elif mesh.colors is not None:
        colors = _linear(mesh.colors.double().cpu().numpy()[piece.vertices])
        attributes["COLOR_0"] = buffer.accessor(colors, VERTICES, unit=True)
    if mesh.skeleton is not None:
        joints, weights = _influences(mesh.skeleton.weights.double().cpu().numpy()[piece.vertices])
        attributes["JOINTS_0"] = buffer.accessor(joints, VERTICES)
        attributes["WEIGHTS_0"] = buffer.accessor(weights, VERTICES, unit=True)
    index = piece.faces.astype("<u2" if len(piece.vertices) <= 65535 else "<u4").ravel()
    primitive: GltfObject = {
        "attributes": attributes,
        "indices": buffer.accessor(index, INDICES),
        "material": material,
    }
    made: GltfObject = {"name": piece.name, "primitives": [primitive]}
    if mesh.shapes is not None:
        primitive["targets"], names = _targets(mesh.shapes, piece.vertices, buffer, whole)
        if not names:
            del primitive["targets"]
        else:
            made |= {"weights": [0.0] * len(names), "extras": {"targetNames": names}}
    return made


def _targets(
    shapes: Shapes, vertices: Ints, buffer: GltfBuffer, whole: bool
) -> tuple[list[dict[str, int]], list[str]]:
    offsets = shapes.offsets[:, torch.from_numpy(vertices)].detach().float().cpu().numpy()
    moving = np.linalg.norm(offsets, axis=2).max(1) > LEAST_OFFSET_M
    chosen = [number for number in range(len(shapes.names)) if whole or moving[number]]
    targets = [{"POSITION": buffer.sparse(offsets[number])} for number in chosen]
    return targets, [shapes.names[number] for number in chosen]


def _add_skin(skeleton: Skeleton, document: GltfObject, buffer: GltfBuffer) -> None:
    """Append the joints to the nodes: the root at the origin first, each other relative to its parent."""
    places = skeleton.places.detach().double().cpu().numpy()
    nodes, first = document["nodes"], len(document["nodes"])
    nodes.append({"name": ROOT})
    for name, parent, place in zip(skeleton.names, skeleton.parents, places, strict=True):
        above = nodes[first + 1 + parent]
        above.setdefault("children", []).append(len(nodes))
        start = places[parent] if parent >= 0 else np.zeros(3)
        nodes.append({"name": name, "translation": (place - start).tolist()})
    inverses = np.tile(np.eye(4, dtype=np.float32), (len(places) + 1, 1, 1))
    inverses[1:, 3, :3] = -places  # columns of a matrix follow each other in glTF
    document["skins"] = [
        {
            "skeleton": first,
            "joints": list(range(first, len(nodes))),
            "inverseBindMatrices": buffer.accessor(inverses.reshape(-1, 16)),
        }
    ]


def _influences(weights: Array) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The four joints (N, 4) that each vertex follows most, and their weights, whose bytes sum to 255.

    `weights` (N, J) are those of all joints but the root, joint 0, which has the rest of 1.
    """
    full = np.concatenate([1 - weights.sum(1, keepdims=True), weights], 1).clip(0)
    full = np.pad(full, ((0, 0), (0, max(0, 4 - full.shape[1]))))
    joints = np.argsort(-full, axis=1, kind="stable")[:, :4]
    strongest = np.take_along_axis(full, joints, 1)
    bytes_ = np.rint(255 * strongest / strongest.sum(1, keepdims=True)).astype(np.int64)
    bytes_[:, 0] += 255 - bytes_.sum(1)
    joints[bytes_ == 0] = 0  # glTF wants joint 0 where there is no weight
    return joints.astype(np.uint8), bytes_.astype(np.uint8)


def _linear(srgb: Array) -> NDArray[np.uint16]:
    """Opaque 16-bit RGBA (N, 4) of sRGB colours (N, 3): glTF's vertex colours are linear (IEC 61966-2-1)."""
    srgb = srgb.clip(0, 1)
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    opaque = np.pad(linear, ((0, 0), (0, 1)), constant_values=1.0)
    return np.asarray(np.rint(65535 * opaque), np.uint16)


def _roots(nodes: list[GltfObject]) -> list[int]:
    below = {child for node in nodes for child in node.get("children", [])}
    return [index for index in range(len(nodes)) if index not in below]


def _jpeg(texture: torch.Tensor) -> bytes:
    """A texture (H, W, 3), uint8, as JPEG with colours at full resolution."""
    content = io.BytesIO()
    Image.fromarray(texture.cpu().numpy()).save(content, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return content.getvalue()
