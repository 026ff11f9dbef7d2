"""The sets of triangles in a glTF document, each in the head frame, as the document's nodes place it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from fastavatar.errors import InputError
from fastavatar.formats.meshes import GltfObject, read_accessor
from fastavatar.geometry import Array, Ints

_TRIANGLES = 4


@dataclass(frozen=True)
class GltfPrimitive:
    """One set of triangles, in the head frame."""

    name: str
    vertices: Array
    """(V, 3)"""
    faces: Ints
    """(F, 3)"""
    uv: Array | None
    """(V, 2), v upward."""
    colors: Array | None
    """(V, 3) sRGB."""
    image: int | None
    """The picture that is its texture."""
    offsets: dict[str, Array]
    """(V, 3) each, by the names of shapes."""
    weights: Array | None
    """(V, J) of all joints of the skin."""


def gltf_primitives(document: GltfObject, content: bytes) -> Iterator[GltfPrimitive]:
    """Each set of triangles of the scene; lines and points are left out."""
    for node, placed in _placed_nodes(document):
        if "mesh" not in node:
            continue
        mesh = document["meshes"][node["mesh"]]
        # A mesh with a skin stays where its joints hold it, whatever its own node says
        placed = np.eye(4) if "skin" in node else placed
        for primitive in mesh["primitives"]:
            if primitive.get("mode", _TRIANGLES) == _TRIANGLES:
                yield _primitive(mesh, primitive, placed, document, content)


def _primitive(
    mesh: GltfObject, primitive: GltfObject, placed: Array, document: GltfObject, content: bytes
) -> GltfPrimitive:
    def read(index: int) -> Array:
        return read_accessor(document, content, index)

    attributes = primitive["attributes"]
    vertices = read(attributes["POSITION"])
    count = len(vertices)
    index = read(primitive["indices"]).astype(np.int64) if "indices" in primitive else np.arange(count)
    faces = index[: len(index) // 3 * 3].reshape(-1, 3)
    if len(faces) and not 0 <= faces.min() <= faces.max() < count:
        raise InputError(f"a face names a vertex that is not among the {count}")
    if np.linalg.det(placed[:3, :3]) < 0:
        faces = faces[:, ::-1]
    targets = primitive.get("targets", [])
    names = mesh.get("extras", {}).get("targetNames", [f"shape_{number}" for number in range(len(targets))])
    offsets = {
        str(name): read(target["POSITION"]) @ placed[:3, :3].T
        for name, target in zip(names, targets, strict=True)
        if "POSITION" in target
    }
    uv = read(attributes["TEXCOORD_0"]) if "TEXCOORD_0" in attributes else None
    colors = read(attributes["COLOR_0"])[:, :3] if "COLOR_0" in attributes else None
    return GltfPrimitive(
        str(mesh.get("name", "head")),
        vertices @ placed[:3, :3].T + placed[:3, 3],
        faces,
        None if uv is None else np.stack([uv[:, 0], 1 - uv[:, 1]], 1),
        _color(primitive, colors, document),
        _image(primitive, document),
        offsets,
        _weights(attributes, read, document) if "JOINTS_0" in attributes and "skins" in document else None,
    )


def _placed_nodes(document: GltfObject) -> Iterator[tuple[GltfObject, Array]]:
    """Each node of the scene with the matrix (4, 4) that places it."""
    nodes = document.get("nodes", [])
    scenes = document.get("scenes", [{"nodes": range(len(nodes))}])
    waiting = [(index, np.eye(4)) for index in scenes[document.get("scene", 0)].get("nodes", [])]
    visited = set()
    while waiting:
        index, above = waiting.pop(0)
        if index in visited:
            raise InputError(f"its node {index} stands in two places")
        visited.add(index)
        placed = above @ _matrix(nodes[index])
        waiting += [(child, placed) for child in nodes[index].get("children", [])]
        yield nodes[index], placed


def _matrix(node: GltfObject) -> Array:
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    placed = np.eye(4)
    from scipy.spatial.transform import Rotation  # here, as it takes 0.1 s that splats do not need

    turn = Rotation.from_quat(node.get("rotation", [0, 0, 0, 1])).as_matrix()
    placed[:3, :3] = turn * np.array(node.get("scale", [1, 1, 1]), np.float64)
    placed[:3, 3] = node.get("translation", [0, 0, 0])
    return placed


def _surface(primitive: GltfObject, document: GltfObject) -> GltfObject:
    if "material" not in primitive:
        return {}
    found: GltfObject = document["materials"][primitive["material"]].get("pbrMetallicRoughness", {})
    return found


def _image(primitive: GltfObject, document: GltfObject) -> int | None:
    texture = _surface(primitive, document).get("baseColorTexture")
    return None if texture is None else document["textures"][texture["index"]].get("source")


def _color(primitive: GltfObject, colors: Array | None, document: GltfObject) -> Array | None:
    """Vertex colours (V, 3), which glTF stores linear, times the material's factor; sRGB (IEC 61966-2-1)."""
    factor = np.array(_surface(primitive, document).get("baseColorFactor", [1, 1, 1, 1])[:3], np.float64)
    if colors is None:
        return None
    linear = (colors * factor).clip(0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def _weights(attributes: GltfObject, read: Callable[[int], Array], document: GltfObject) -> Array:
    """(V, J) weights of all joints of the first skin."""
    joints = read(attributes["JOINTS_0"]).astype(np.int64)
    weights = np.zeros((len(joints), len(document["skins"][0]["joints"])))
    strengths = read(attributes["WEIGHTS_0"])
    np.add.at(weights, (np.arange(len(joints))[:, None], joints), strengths)
    return weights
