"""The mesh of a fitted head: closed, the same for everybody, with the colours of its Gaussians."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

import fastavatar as fa
from fastavatar.core import Binding, Mesh, encode_colors
from fastavatar.errors import InputError
from fastavatar.formats.meshes.glb import encode_glb
from fastavatar.head import ARKIT_NAMES
from fastavatar.meshing import seams, views_around, with_lids
from fastavatar.meshing.fitted import fitted_mesh, follows_head
from fastavatar.meshing.printing import printable
from fastavatar.meshing.seams import bilinear, padded, seam_points
from fastavatar.rendering import facing_camera, rasterise_mesh, render, texture_colors
from fastavatar.rig import distances_from_lashes
from tests.meshing.made_head import BEYOND_CENTER, BEYOND_M, made_head, pattern

PARTS = ["skin", "left_eye", "right_eye", "upper_teeth", "lower_teeth", "gums", "tongue", "beyond"]


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return fitted_mesh(made_head(), 1024)


def judged(mesh: Mesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy(), process=False)


def part(mesh: Mesh, name: str) -> Mesh:
    assert mesh.parts is not None
    return mesh.subset(mesh.parts == mesh.part_names.index(name))


@pytest.mark.parametrize("name", PARTS)
def test_every_part_is_closed(mesh: Mesh, name: str) -> None:
    seen = judged(part(mesh, name))
    assert seen.is_watertight and seen.is_winding_consistent and seen.volume > 0
    assert seen.body_count == (2 if name == "gums" else 1)


def test_the_whole_is_closed_and_begins_with_the_parametric_head(mesh: Mesh) -> None:
    seen, head = judged(mesh), fa.load_head()
    assert seen.is_watertight and seen.is_winding_consistent
    torch.testing.assert_close(
        mesh.vertices[: len(head.mean)].double(), torch.from_numpy(head.mean), atol=1e-6, rtol=0
    )
    assert mesh.parts is not None
    used = {mesh.part_names[number] for number in mesh.parts.tolist()}
    assert used == set(PARTS), "lashes are left out"


def test_everybody_has_the_same_vertices_triangles_and_texture_map(mesh: Mesh) -> None:
    other = fitted_mesh(made_head((2.0, -1.5, 1.0)), 1024)
    assert torch.equal(other.faces, mesh.faces) and not torch.equal(other.vertices, mesh.vertices)
    assert mesh.uv is not None and other.uv is not None and torch.equal(other.uv, mesh.uv)
    assert mesh.uv_faces is not None and other.uv_faces is not None
    assert torch.equal(other.uv_faces, mesh.uv_faces)


def test_shapes_and_skeleton_are_the_heads_and_leave_what_is_beyond(mesh: Mesh) -> None:
    head = fa.load_head()
    assert mesh.shapes is not None and mesh.skeleton is not None
    assert mesh.shapes.names == ARKIT_NAMES and mesh.skeleton.names == head.joint_names
    np.testing.assert_array_equal(mesh.shapes.offsets[:, : len(head.mean)], head.actions)
    beyond = (mesh.vertices - BEYOND_CENTER).norm(dim=1) < BEYOND_M + 1e-4
    beyond[: len(head.mean)] = False
    assert beyond.sum() == 642 and not mesh.shapes.offsets[:, beyond].any()
    weights = mesh.skeleton.weights[beyond]
    assert not weights[:, 2:].any() and weights[:, 1].mean() > 0.9, "a bun follows the head, not the jaw"
    # The middle of a cap is the mean of its rim, and what moves the rim moves it
    assert mesh.shapes.offsets.isfinite().all() and mesh.skeleton.weights.sum(1).max() < 1.01


def test_the_texture_has_the_colors_of_the_gaussians(mesh: Mesh) -> None:
    assert mesh.uv is not None and mesh.uv_faces is not None and mesh.texture is not None
    skin = part(mesh, "skin")
    assert skin.uv is not None and skin.uv_faces is not None and skin.regions is not None
    points = skin.sample(20_000)
    owner = {tuple(face): number for number, face in enumerate(skin.faces.tolist())}
    number = torch.tensor([owner[tuple(corners)] for corners in points.corners.tolist()])
    uv = (points.weights[..., None] * skin.uv[skin.uv_faces[number]]).sum(1)
    seen = texture_colors(mesh.texture, uv).numpy()
    # Caps, a sixth of the area, and sockets have no Gaussians; what is left has the pattern
    error = np.abs(seen - pattern(points.at(skin.vertices)).numpy()).mean(1)
    assert np.median(error) < 0.01 and np.quantile(error, 0.75) < 0.02
    assert seen.min() > 0.2 and seen.max() < 0.8, "no texel of a background"


def test_both_sides_of_a_seam_have_one_color(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    def difference(mesh: Mesh) -> float:
        assert mesh.texture is not None
        here, there = seam_points(mesh, 1024, 2048)
        assert len(here) > 1000
        pixels = mesh.texture.numpy().astype(np.float64)
        return float(np.abs(bilinear(pixels, here) - bilinear(pixels, there)).mean())

    assert difference(mesh) < 2
    monkeypatch.setattr("fastavatar.meshing.painting.levelled", lambda texture, mesh: texture)
    assert difference(fitted_mesh(made_head(), 1024)) > 1.5 * difference(mesh)


def test_its_picture_is_that_of_its_gaussians(mesh: Mesh) -> None:
    avatar = made_head()
    assert mesh.uv is not None and mesh.uv_faces is not None and mesh.texture is not None
    center = torch.tensor([0.0, 0.0, -0.04])
    for azimuth in (0, 60, 180):
        camera = facing_camera(center, 0.13, 200).orbited(azimuth, target=center)
        seen = rasterise_mesh(mesh.vertices.double().numpy(), mesh.faces.numpy(), camera)
        drawn = render(avatar.gaussians, camera)
        inside = seen.hit & (drawn.alpha.numpy() > 0.95)
        face, weights = torch.from_numpy(seen.face[inside]), torch.from_numpy(seen.weights[inside]).float()
        uv = (weights[..., None] * mesh.uv[mesh.uv_faces[face]]).sum(1)
        colors = texture_colors(mesh.texture, uv).numpy()
        error = ((colors - drawn.image.numpy()[inside]) ** 2).mean()
        assert -10 * np.log10(error) > 32


def colors_at(mesh: Mesh, vertices: torch.Tensor) -> torch.Tensor:
    """(N, 3) what the texture shows at some vertices (N,)."""
    assert mesh.texture is not None and mesh.uv is not None and mesh.uv_faces is not None
    places = torch.zeros(len(mesh.vertices), dtype=torch.int64)
    places[mesh.faces.reshape(-1)] = mesh.uv_faces.reshape(-1)
    return texture_colors(mesh.texture, mesh.uv[places[vertices]]).float()


def test_what_is_beyond_has_the_right_half_of_the_texture_and_the_head_the_left(mesh: Mesh) -> None:
    assert mesh.uv is not None and mesh.uv_faces is not None and mesh.parts is not None
    beyond = mesh.parts == mesh.part_names.index("beyond")
    assert mesh.texture is not None and mesh.texture.shape == (1024, 2048, 3)
    assert mesh.uv[mesh.uv_faces[beyond], 0].min() > 0.5 and mesh.uv[mesh.uv_faces[~beyond], 0].max() < 0.5
    np.testing.assert_allclose(mesh.uv[: len(fa.load_head().uv)] * torch.tensor([2, 1]), fa.load_head().uv)
    bun = mesh.faces[beyond].unique()  # type: ignore[no-untyped-call]
    # Inside the head the bun has no Gaussians that a camera sees, and all colours are completed
    outside = bun[mesh.vertices[bun, 1] > BEYOND_CENTER[1] - 0.02]
    error = (colors_at(mesh, outside) - pattern(mesh.vertices[outside])).abs().mean(1)
    assert error.median() < 0.02 and error.quantile(0.9) < 0.05


def test_a_head_with_nothing_beyond_has_the_same_map() -> None:
    made, head = made_head(), fa.load_head()
    assert made.binding is not None
    own = (made.binding.corners < len(head.mean)).all(1)
    binding = Binding(made.binding.corners[own], made.binding.weights[own])
    bald = replace(made, gaussians=made.gaussians.subset(own), binding=binding, mesh=head.mesh())
    mesh, haired = fitted_mesh(bald, 256), fitted_mesh(made, 256)
    assert mesh.uv is not None and haired.uv is not None
    assert mesh.texture is not None and mesh.texture.shape == (256, 512, 3)
    assert torch.equal(mesh.uv, haired.uv[: len(mesh.uv)])


def test_the_sides_have_what_cameras_there_see_and_the_front_what_the_photo_shows() -> None:
    made = made_head()
    center = torch.tensor([0.0, 0.0, -0.04])
    views = views_around(made.gaussians)
    assert len(views.cameras) == 12
    turns = [torch.rad2deg(torch.atan2(*(one.center - center.double())[[0, 2]])) for one in views.cameras]
    assert min(abs(float(turn)) for turn in turns) == pytest.approx(15, abs=2)
    red = replace(views, rgb=np.broadcast_to(np.array([255, 0, 0], np.uint8), views.rgb.shape).copy())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("fastavatar.meshing.painting.views_around", lambda gaussians: red)
        mesh = fitted_mesh(made, 512)
    skin = fa.load_head().region("face", "skull")
    normals, places = mesh.normals()[: len(skin)], mesh.vertices[: len(skin)]
    camera = made.camera.center.float()
    facing = (torch.nn.functional.normalize(camera - places, dim=1) * normals).sum(1)
    seen = torch.from_numpy(skin) & (normals[:, 1].abs() < 0.3)

    def redness(which: torch.Tensor) -> float:
        found = colors_at(mesh, torch.nonzero(which)[:, 0])
        return float((found - torch.tensor([1.0, 0, 0])).abs().mean(1).median())

    assert redness(seen & (facing < 0.1)) < 0.05, "pictures from the sides count where the photo sees nothing"
    assert redness(seen & (facing > 0.95)) > 0.3, "the photo counts in front"


def test_lids_close_on_skin_under_their_lashes() -> None:
    made, head = made_head(), fa.load_head()
    assert made.mesh is not None and made.binding is not None
    away = distances_from_lashes(head, head.mean, made.gaussians.means.double().numpy())
    black = torch.from_numpy(away < 0.004)[:, None]
    colors = torch.where(black, 0.0, torch.tensor([0.6, 0.5, 0.4])).expand(-1, 3)
    gaussians = replace(made.gaussians, sh=encode_colors(colors)[:, None])
    mesh = fitted_mesh(replace(made, gaussians=gaussians), 1024)
    plain = replace(made.mesh, colors=torch.zeros(len(made.mesh.vertices), 3))
    with_skin, share = with_lids(plain, gaussians, made.binding)
    lids = torch.nonzero(share > 0.8)[:, 0]
    assert with_skin.colors is not None and not with_skin.colors[share == 0].any()
    assert 6 <= len(lids) < 100 and {bool(side) for side in mesh.vertices[lids, 0] > 0} == {False, True}
    shown = colors_at(mesh, lids)
    assert (shown - torch.tensor([0.6, 0.5, 0.4])).abs().mean() < 0.15
    edge = distances_from_lashes(head, head.mean, head.mean) < 0.0003
    edge &= head.region("eyelids")
    assert edge.sum() > 4 and colors_at(mesh, torch.from_numpy(np.flatnonzero(edge))).median() < 0.2


def test_without_a_texture_vertices_have_colors() -> None:
    mesh = fitted_mesh(made_head(), 0)
    assert mesh.texture is None and mesh.uv is None and mesh.colors is not None
    head = fa.load_head()
    seen = np.unique(head.faces[head.part("skin")])
    assert mesh.colors[seen].min() > 0.2 and mesh.colors[seen].max() < 0.8
    error = (mesh.colors[seen] - pattern(mesh.vertices[seen])).abs().mean(1)
    assert error.median() < 0.03


def test_the_same_avatar_gives_the_same_bytes(mesh: Mesh) -> None:
    assert encode_glb(fitted_mesh(made_head(), 1024), "a") == encode_glb(mesh, "a")


def test_only_an_avatar_of_the_parametric_head_has_such_a_mesh() -> None:
    avatar = made_head()
    assert follows_head(avatar) and not follows_head(replace(avatar, head=None))
    with pytest.raises(InputError, match="no mesh of the parametric head"):
        fitted_mesh(replace(avatar, binding=None, mesh=None))
    with pytest.raises(InputError, match="a power of two, found 1000"):
        fitted_mesh(avatar, 1000)


def test_a_printable_mesh_is_one_solid_in_a_file_without_indices(tmp_path: object) -> None:
    mesh = printable(fitted_mesh(made_head(), 0))
    triangles = mesh.vertices[mesh.faces].numpy()
    merged = trimesh.Trimesh(**trimesh.triangles.to_kwargs(triangles))
    merged.merge_vertices()
    assert merged.is_watertight and merged.is_winding_consistent and merged.body_count == 1
    assert merged.volume == pytest.approx(0.016, rel=0.2)
    with pytest.raises(InputError, match="no part of the mesh encloses"):
        printable(Mesh(mesh.vertices, mesh.faces[:5]))


def test_hidden_teeth_and_eyeballs_are_plausible() -> None:
    made = made_head()
    dark = encode_colors(torch.tensor([0.4, 0.2, 0.2])).expand(len(made.gaussians), 1, 3)
    mesh = fitted_mesh(replace(made, gaussians=replace(made.gaussians, sh=dark)), 0)
    assert mesh.colors is not None
    teeth = part(mesh, "upper_teeth")
    assert teeth.colors is not None
    front = teeth.colors[teeth.vertices[:, 2] > teeth.vertices[:, 2].max() - 0.004].mean(0)
    assert front.min() > 0.5, "white in front"
    assert teeth.colors[teeth.vertices[:, 2] < teeth.vertices[:, 2].min() + 0.01].max() < 0.4, "dark behind"
    # An iris before a white, as lids leave it open, and brown behind: the white goes on
    eye = part(made.mesh, "left_eye") if made.mesh is not None else None
    assert eye is not None
    away = made.gaussians.means - eye.vertices.mean(0)
    angle = torch.rad2deg(torch.atan2(away[:, :2].norm(dim=1), away[:, 2]))
    colors = torch.where(angle[:, None] < 20, 0.1, torch.where(angle[:, None] < 50, 0.8, 0.3)).expand(-1, 3)
    seen = replace(made, gaussians=replace(made.gaussians, sh=encode_colors(colors)[:, None]))
    ball = part(fitted_mesh(seen, 0), "left_eye")
    assert ball.colors is not None
    back = ball.vertices[:, 2] < ball.vertices[:, 2].mean() - 0.002
    assert (ball.colors[back] - 0.8).abs().max() < 0.05
    assert ball.colors[ball.vertices[:, 2].argmax()].max() < 0.4, "the iris stays"


def test_padding_keeps_what_is_used_and_fills_the_rest() -> None:
    texture, used = torch.zeros(64, 64, 3), torch.zeros(64, 64, dtype=torch.bool)
    texture[20:30, 20:30], used[20:30, 20:30] = torch.tensor([0.2, 0.6, 0.9]), True
    filled = padded(texture, used)
    torch.testing.assert_close(filled, torch.tensor([0.2, 0.6, 0.9]).expand(64, 64, 3))
    assert seams._REACH_PX < 10
