"""Meshes compared with the true one: all of it, and what a camera sees."""

import numpy as np
import pytest
import torch
import trimesh

from fastavatar.core import Mesh, frontal_camera
from fastavatar.head import load_head, outside_of
from fastavatar.losses import surface_difference
from fastavatar.surfaces import solid_of


def ball(radius_m: float, x: float = 0.0, color: float | None = None) -> Mesh:
    shape = trimesh.creation.icosphere(4, radius=radius_m)
    vertices = torch.from_numpy(np.array(shape.vertices)).float() + torch.tensor([x, 0.0, 0.0])
    colors = None if color is None else torch.full_like(vertices, color)
    return Mesh(vertices, torch.from_numpy(np.array(shape.faces, np.int64)), colors=colors)


def test_concentric_balls_are_as_far_apart_as_their_radii() -> None:
    found = surface_difference(ball(0.10, color=0.3), ball(0.11, color=0.5))
    assert found is not None and found.color is not None
    assert found.chamfer_mm == pytest.approx(10, abs=0.1)
    assert found.normal_deg < 2
    assert found.color == pytest.approx(0.2, abs=1e-3)


def test_a_camera_counts_only_what_it_sees() -> None:
    truth = ball(0.10)
    front = truth.vertices[:, 2] > 0
    dented = Mesh(torch.where(front[:, None], truth.vertices, 0.9 * truth.vertices), truth.faces)
    seen = surface_difference(dented, truth, frontal_camera(1.0, 200.0, 80, 80))
    behind = surface_difference(dented, truth, frontal_camera(1.0, 200.0, 80, 80).orbited(180.0))
    assert seen is not None and seen.chamfer_mm < 0.3
    assert behind is not None and behind.chamfer_mm == pytest.approx(10, abs=1)
    assert surface_difference(dented, truth, frontal_camera(1.0, 200.0, 80, 80).cropped(70, 0, 80, 8)) is None


def test_a_head_without_its_insides_is_closed() -> None:
    mesh = load_head().mesh()
    outside = solid_of(outside_of(mesh))
    assert outside.boundary_loops() == [] and len(outside.faces) < len(mesh.faces)
    corners = outside.vertices.double()[outside.faces]
    volume = float((corners[:, 0] * torch.linalg.cross(corners[:, 1], corners[:, 2])).sum() / 6)
    assert 0.012 < volume < 0.02  # cubic metres of head and shoulders
    other = ball(0.1)
    assert outside_of(other) is other
