from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fastavatar.core import Mesh
from fastavatar.formats import read_mesh, write_mesh
from fastavatar.meshing import is_closed
from fastavatar.surfaces import isosurface


def balls(centers: list[tuple[float, float, float]], radius: float, size: int = 24) -> NDArray[np.float32]:
    """Distances (S, S, S) in voxels from the surface of balls, negative inside."""
    at = np.stack(np.meshgrid(*[np.arange(size, dtype=np.float32)] * 3, indexing="ij"), -1)
    return np.asarray(
        np.min([np.linalg.norm(at - center, axis=-1) - radius for center in centers], 0), np.float32
    )


def test_a_ball_is_one_closed_surface_in_its_place() -> None:
    vertices, faces = isosurface(balls([(12, 12, 12)], 7.0), np.array([1.0, 2.0, 3.0]), 0.01)
    assert is_closed(faces)
    from_middle = np.linalg.norm(vertices - np.array([1.12, 2.12, 3.12]), axis=1)
    assert np.abs(from_middle - 0.07).max() < 0.0005
    a, b, c = (vertices[faces[:, k]] - vertices.mean(0) for k in range(3))
    assert (np.cross(a, b) * c).sum() / 6 == pytest.approx(4 / 3 * np.pi * 0.07**3, rel=0.02), "outward"


def test_no_two_vertices_are_in_one_place_where_the_surface_meets_voxels_and_itself(tmp_path: Path) -> None:
    """Balls of whole radii that touch: many voxels lie on the surface, and two of its sheets in one place."""
    distances = balls([(7, 12, 12), (17, 12, 12)], 5.0)
    assert (distances == 0).sum() > 20
    vertices, faces = isosurface(distances, np.ones(3), 0.005)
    assert is_closed(faces)
    assert len(np.unique(vertices.astype(np.float32), axis=0)) == len(vertices)

    path = tmp_path / "balls.glb"
    write_mesh(Mesh(torch.from_numpy(vertices).float(), torch.from_numpy(faces)), path)
    assert is_closed(read_mesh(path).faces.numpy())


def test_a_volume_without_inside_has_no_surface() -> None:
    vertices, faces = isosurface(np.ones((4, 4, 4), np.float32), np.zeros(3), 0.01)
    assert vertices.shape == (0, 3) and faces.shape == (0, 3)
