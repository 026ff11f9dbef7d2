"""Mesh formats: what is written is read again, here and by trimesh, and damage ends in one line."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

import fastavatar as fa
from fastavatar.core import Mesh
from fastavatar.errors import InputError, OverwriteError, UsageError
from fastavatar.formats import holds_mesh


def box() -> Mesh:
    """A closed box, 0.2 × 0.4 × 0.6 m, with one chart for each side, a texture and two parts."""
    made = trimesh.creation.box(extents=(0.2, 0.4, 0.6))
    uv = torch.rand(36, 2, generator=torch.Generator().manual_seed(0))
    side = torch.arange(48).reshape(4, 4, 3) * 5
    return Mesh(
        torch.tensor(made.vertices).float() + torch.tensor([0.1, 0.2, 0.3]),
        torch.tensor(made.faces).long(),
        uv=uv,
        uv_faces=torch.arange(36).reshape(12, 3),
        texture=side.byte(),
        parts=torch.tensor([0] * 7 + [1] * 5),
        part_names=("skin", "eye"),
    )


def judged(path: Path) -> trimesh.Trimesh:
    """What trimesh reads, with vertices at one place merged, as the seams of a texture need."""
    mesh = trimesh.load_mesh(path)
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    return mesh


@pytest.mark.parametrize("ending", ["obj", "ply", "stl"])
def test_a_closed_mesh_stays_closed_and_keeps_its_place(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"head.{ending}"
    fa.write_mesh(box(), path)
    seen, read = judged(path), fa.read_mesh(path)
    assert seen.is_watertight and seen.is_winding_consistent and seen.volume > 0
    assert len(read.vertices) == 8 and len(read.faces) == 12 and not read.boundary_loops()
    torch.testing.assert_close(read.vertices.amin(0), torch.tensor([0.0, 0.0, 0.0]), atol=1e-7, rtol=0)
    torch.testing.assert_close(read.vertices.amax(0), torch.tensor([0.2, 0.4, 0.6]), atol=1e-7, rtol=0)
    ours = trimesh.Trimesh(read.vertices.numpy(), read.faces.numpy(), process=False)
    assert ours.volume == pytest.approx(0.048, rel=1e-5)


def test_an_obj_holds_everything_but_movement(tmp_path: Path) -> None:
    path = tmp_path / "my head.obj"
    assert fa.write_mesh(box(), path) == ()
    assert {file.name for file in tmp_path.iterdir()} == {"my head.obj", "my head.mtl", "my head.png"}
    read, made = fa.read_mesh(path), box()
    for name in ("vertices", "faces", "uv", "uv_faces", "texture", "parts"):
        assert torch.equal(getattr(read, name), getattr(made, name)), name
    assert read.part_names == ("skin", "eye")
    seen = trimesh.load_mesh(path, process=False)
    assert made.texture is not None
    assert np.array_equal(np.asarray(seen.visual.material.image.convert("RGB")), made.texture.numpy())


def test_an_stl_stands_upright_in_millimetres(tmp_path: Path) -> None:
    path = tmp_path / "head.stl"
    assert fa.write_mesh(box(), path) == ("the colours are left out",)
    low, high = trimesh.load_mesh(path).bounds
    assert np.allclose(low, [0, -600, 0], atol=1e-3) and np.allclose(high, [200, 0, 400], atol=1e-3)


def test_a_ply_takes_the_colours_of_the_texture(tmp_path: Path) -> None:
    path = tmp_path / "head.ply"
    halves = torch.zeros(8, 8, 3, dtype=torch.uint8)
    halves[:4] = torch.tensor([200, 100, 50], dtype=torch.uint8)  # the upper half: v > 0.5
    upper = torch.tensor([[0.5, 0.9]]).expand(36, 2).contiguous()
    assert fa.write_mesh(replace(box(), texture=halves, uv=upper), path)
    assert (trimesh.load_mesh(path).visual.vertex_colors[:, :3] == [200, 100, 50]).all()
    read = fa.read_mesh(path)
    assert read.colors is not None and torch.allclose(read.colors[0] * 255, torch.tensor([200.0, 100, 50]))


@pytest.mark.parametrize("ending", ["obj", "ply", "stl"])
def test_the_same_mesh_gives_the_same_bytes(tmp_path: Path, ending: str) -> None:
    first, second = tmp_path / f"a/head.{ending}", tmp_path / f"b/head.{ending}"
    fa.write_mesh(box(), first)
    fa.write_mesh(box(), second)
    for file in first.parent.iterdir():
        assert file.read_bytes() == (second.parent / file.name).read_bytes()


def test_quads_and_backward_indices_are_read(tmp_path: Path) -> None:
    path = tmp_path / "quad.obj"
    path.write_text("v 0 0 0\nv 1 0 0\nv 1 1 0 \nv 0 1 0\nf -4 -3 -2 -1\n")
    assert fa.read_mesh(path).faces.tolist() == [[0, 1, 2], [0, 2, 3]]


def test_a_missing_texture_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "head.obj"
    fa.write_mesh(box(), path)
    (tmp_path / "head.png").unlink()
    with caplog.at_level(logging.WARNING):
        assert fa.read_mesh(path).texture is None
    assert "head.png" in caplog.text


def test_a_texture_elsewhere_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "inner" / "head.obj"
    fa.write_mesh(box(), path)
    (path.parent / "head.png").rename(tmp_path / "head.png")
    material = path.parent / "head.mtl"
    material.write_text(material.read_text().replace("head.png", "../head.png"))
    assert fa.read_mesh(path).texture is None


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2] + b"\nf 1 2",
    "noise": lambda content: bytes(range(256)) * 8,
    "no face": lambda content: b"v 0 0 0\n",
}


@pytest.mark.parametrize("ending", ["obj", "ply", "stl"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_ends_in_one_line(tmp_path: Path, ending: str, damage: str) -> None:
    path = tmp_path / f"head.{ending}"
    fa.write_mesh(box(), path)
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    with pytest.raises(InputError) as caught:
        fa.read_mesh(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_header_cannot_ask_for_memory(tmp_path: Path) -> None:
    path = tmp_path / "head.ply"
    fa.write_mesh(box(), path)
    path.write_bytes(path.read_bytes().replace(b"element vertex 8", b"element vertex 8000000000"))
    with pytest.raises(InputError, match="8000000000"):
        fa.read_mesh(path)


def test_a_vertex_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "head.obj"
    path.write_text("v 0 0 0\nv 1 0 0\nv nan 1 0\nf 1 2 3\n")
    with pytest.raises(InputError, match="not finite"):
        fa.read_mesh(path)
    with pytest.raises(InputError, match="not finite"):
        fa.write_mesh(replace(box(), vertices=torch.full((8, 3), torch.nan)), tmp_path / "other.ply")
    assert {file.name for file in tmp_path.iterdir()} == {"head.obj"}


def test_existing_files_stay_where_they_may_not_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "head.png").write_bytes(b"somebody's picture")
    with pytest.raises(OverwriteError):
        fa.write_mesh(box(), tmp_path / "head.obj", overwrite=False)
    assert [file.name for file in tmp_path.iterdir()] == ["head.png"]
    assert (tmp_path / "head.png").read_bytes() == b"somebody's picture"


def test_an_unknown_ending_is_named_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=".obj"):
        fa.write_mesh(box(), tmp_path / "head.fbx")


def test_a_ply_of_gaussians_is_no_mesh(tmp_path: Path) -> None:
    gaussians = fa.Gaussians(
        torch.zeros(4, 3), torch.ones(4, 4), torch.zeros(4, 3), torch.zeros(4), torch.zeros(4, 1, 3)
    )
    fa.write_ply(gaussians, tmp_path / "splats.ply")
    fa.write_mesh(box(), tmp_path / "head.ply")
    assert holds_mesh(tmp_path / "head.ply") and not holds_mesh(tmp_path / "splats.ply")
    with pytest.raises(InputError, match="no faces"):
        fa.read_mesh(tmp_path / "splats.ply")
