"""GLB: what is written is read again, Khronos' validator finds no fault, and damage ends in one line."""

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh

import fastavatar as fa
from fastavatar.core import Mesh, Shapes, Skeleton
from fastavatar.errors import InputError
from fastavatar.formats.meshes.glb import encode_glb
from fastavatar.formats.registry import write_gaussians
from fastavatar.meshing.fitted import fitted_mesh
from fastavatar.system import pack_glb, unpack_glb
from tests.formats.splats.storable import storable
from tests.glb_tools import needs_gltf_tools, validated
from tests.meshing.made_head import made_head


def moving_box() -> Mesh:
    """A closed box in two parts, one textured and one with colours, that has two shapes and two joints."""
    made = trimesh.creation.box(extents=(0.2, 0.4, 0.6))
    faces = torch.tensor(made.faces).long()
    vertices = torch.tensor(made.vertices).float() + torch.tensor([0.1, 0.2, 0.3])
    generator = torch.Generator().manual_seed(0)
    uv = torch.cat([torch.rand(36, 2, generator=generator), torch.tensor([[0.5, 0.5]])])
    both = torch.cat([faces, faces + 8])
    offsets = torch.zeros(2, 16, 3)
    offsets[0, 3] = torch.tensor([0.0, 0.01, -0.02])
    offsets[1, 9:12, 1] = 0.05
    weights = torch.rand(16, 2, generator=generator) / 2
    return Mesh(
        torch.cat([vertices, vertices + 1]),
        both,
        uv=uv,
        uv_faces=torch.cat([torch.arange(36).reshape(12, 3), torch.full((12, 3), 36)]),
        texture=(torch.arange(64 * 64 * 3).reshape(64, 64, 3) // 97).byte(),
        colors=torch.rand(16, 3, generator=generator),
        parts=torch.arange(2).repeat_interleave(12),
        part_names=("skin", "hair"),
        shapes=Shapes(("jawOpen", "tongueOut"), offsets),
        skeleton=Skeleton(("neck", "head"), (-1, 0), torch.tensor([[0, 0.1, 0], [0, 0.3, 0.1]]), weights),
    )


def in_order(mesh: Mesh) -> torch.Tensor:
    """The place of each vertex of `moving_box` among those read, which come in another order."""
    near = (moving_box().vertices[:, None] - mesh.vertices[None]).norm(dim=2).min(1)
    assert near.values.max() < 1e-6
    assert isinstance(near.indices, torch.Tensor)
    return near.indices


def test_everything_comes_back(tmp_path: Path) -> None:
    made = moving_box()
    path = tmp_path / "box.glb"
    assert fa.write_mesh(made, path) == ("the texture is compressed as JPEG",)
    read = fa.read_mesh(path)
    at = in_order(read)
    assert len(read.vertices) == 16 and read.part_names == ("skin", "hair")
    assert read.parts is not None and read.parts.tolist() == [0] * 12 + [1] * 12
    torch.testing.assert_close(read.vertices[read.faces], made.vertices[made.faces])
    assert (
        read.uv is not None
        and read.uv_faces is not None
        and made.uv is not None
        and made.uv_faces is not None
    )
    torch.testing.assert_close(read.uv[read.uv_faces][:12], made.uv[made.uv_faces][:12], atol=1e-6, rtol=0)
    assert read.colors is not None and made.colors is not None
    torch.testing.assert_close(read.colors[at][8:], made.colors[8:], atol=2e-3, rtol=0)
    assert read.texture is not None and made.texture is not None
    assert (read.texture.int() - made.texture.int()).abs().float().mean() < 8
    assert read.shapes is not None and read.shapes.names == ("jawOpen", "tongueOut")
    assert made.shapes is not None and made.skeleton is not None
    torch.testing.assert_close(read.shapes.offsets[:, at], made.shapes.offsets)
    assert read.skeleton is not None
    assert read.skeleton.names == ("neck", "head") and read.skeleton.parents == (-1, 0)
    torch.testing.assert_close(read.skeleton.places, made.skeleton.places)
    torch.testing.assert_close(read.skeleton.weights[at], made.skeleton.weights, atol=3e-3, rtol=0)
    assert not read.boundary_loops()


def test_the_same_mesh_gives_the_same_bytes() -> None:
    assert encode_glb(moving_box(), "a.glb") == encode_glb(moving_box(), "a.glb")


@needs_gltf_tools
@pytest.mark.parametrize("kind", ["head", "box", "plain", "colored"])
def test_the_validator_finds_nothing(kind: str, tmp_path: Path) -> None:
    box = moving_box()
    plain = replace(
        box, uv=None, uv_faces=None, texture=None, colors=None, parts=None, skeleton=None, shapes=None
    )
    meshes: dict[str, Callable[[], Mesh]] = {
        "head": lambda: fitted_mesh(made_head(), 512),
        "box": lambda: box,
        "plain": lambda: plain,
        "colored": lambda: replace(plain, colors=box.colors),
    }
    path = tmp_path / "a.glb"
    fa.write_mesh(meshes[kind](), path)
    report = validated(path)
    assert report["issues"]["messages"] == []
    if kind == "head":
        assert (
            report["info"]["hasMorphTargets"] and report["info"]["hasSkins"] and report["info"]["hasTextures"]
        )
        names = unpack_glb(path)[0]["meshes"][0]["extras"]["targetNames"]
        assert len(names) == 52 and "jawOpen" in names


def test_a_head_is_small_and_other_programs_read_it(tmp_path: Path) -> None:
    path = tmp_path / "head.glb"
    fa.write_mesh(fitted_mesh(made_head(), 1024), path)
    assert path.stat().st_size < 6_000_000
    scene = trimesh.load_scene(path)
    assert {"skin", "tongue", "beyond"} <= set(scene.geometry)
    low, high = scene.bounds
    assert 0.4 < high[1] - low[1] < 0.6 and high[2] < 0.1, "metres, upright, the face along +z"


def test_files_of_others_are_read(tmp_path: Path) -> None:
    """A node with a matrix, no indices, integer coordinates, and strides, as other programs write."""
    corners = np.array([[0, 0, 0], [100, 0, 0], [0, 100, 0]], np.int16)
    rows = np.zeros((3, 4), np.int16)
    rows[:, :3] = corners
    document = {
        "asset": {"version": "2.0"},
        "extensionsUsed": ["KHR_mesh_quantization"],
        "extensionsRequired": ["KHR_mesh_quantization"],
        "scenes": [{"nodes": [0]}],
        "nodes": [{"children": [1], "translation": [0, 1, 0]}, {"mesh": 0, "scale": [0.01, 0.01, 0.01]}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"bufferView": 0, "componentType": 5122, "count": 3, "type": "VEC3"}],
        "bufferViews": [{"buffer": 0, "byteLength": 24, "byteStride": 8}],
        "buffers": [{"byteLength": 24}],
    }
    path = tmp_path / "other.glb"
    path.write_bytes(pack_glb(document, rows.tobytes()))
    mesh = fa.read_mesh(path)
    assert sorted(mesh.vertices.tolist()) == [[0, 1, 0], [0, 2, 0], [1, 1, 0]]
    assert mesh.texture is None and mesh.uv is None and mesh.shapes is None and mesh.skeleton is None


def changed(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes, Path], bytes]:
    def again(data: bytes, path: Path) -> bytes:
        document, content = unpack_glb(path)
        change(document)
        return pack_glb(document, content)

    return again


DAMAGES: dict[str, tuple[Callable[[bytes, Path], bytes], str]] = {
    "empty": (lambda data, path: b"", "no GLB file, or a damaged one"),
    "cut": (lambda data, path: data[: len(data) // 2], "the file is cut off"),
    "version": (lambda data, path: data[:4] + struct.pack("<I", 1) + data[8:], "its header is wrong"),
    "no json": (lambda data, path: data[:20] + b"!" + data[21:], "a damaged one"),
    "no mesh": (changed(lambda document: document.update(nodes=[], scenes=[{"nodes": []}])), "no triangles"),
    "beyond": (
        changed(lambda document: document["accessors"][0].update(count=10**6)),
        "an accessor reaches beyond its buffer",
    ),
    "huge": (changed(lambda document: document["accessors"][0].update(count=10**12)), "an accessor counts"),
    "negative": (
        changed(lambda document: document["bufferViews"][0].update(byteOffset=-8)),
        "beyond its buffer",
    ),
    "elsewhere": (changed(lambda document: document["bufferViews"][0].update(buffer=1)), "in another file"),
    "packed": (
        changed(lambda document: document.update(extensionsRequired=["KHR_draco_mesh_compression"])),
        "needs the extension KHR_draco_mesh_compression",
    ),
    "circle": (
        changed(lambda document: document["nodes"][0].update(children=[0])),
        "node 0 stands in two places",
    ),
    "image": (
        changed(lambda document: document["images"][0].update(bufferView=0)),
        "its texture is no picture, or a damaged one",
    ),
    "link": (
        changed(lambda document: document["images"][0].pop("bufferView")),
        "its texture is another file",
    ),
    "kind": (changed(lambda document: document["accessors"][0].update(type="VEC9")), "a damaged one"),
    "list": (changed(lambda document: document.update(meshes={})), "a damaged one"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told_in_one_line(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "box.glb"
    fa.write_mesh(moving_box(), path)
    change, message = DAMAGES[damage]
    path.write_bytes(change(path.read_bytes(), path))
    with pytest.raises(InputError, match="cannot read") as caught:
        fa.read_mesh(path)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_gaussians_in_a_glb_are_no_mesh(tmp_path: Path) -> None:
    path = tmp_path / "splats.glb"
    write_gaussians(storable(count=5), path)
    with pytest.raises(InputError, match="it holds Gaussians and no mesh"):
        fa.read_mesh(path)


def test_the_container_is_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "a.glb"
    path.write_bytes(pack_glb({"asset": {"version": "2.0"}}, b"\1\2\3\4"))
    assert unpack_glb(path) == ({"asset": {"version": "2.0"}}, b"\1\2\3\4")
    data = path.read_bytes()
    assert len(data) % 4 == 0 and struct.unpack_from("<I", data, 8)[0] == len(data)
    assert json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]]) == {"asset": {"version": "2.0"}}
