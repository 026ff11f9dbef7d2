import numpy as np
import torch

from fastavatar.geometry import Array
from fastavatar.head import mean_start
from fastavatar.meshing import is_closed
from fastavatar.models.surface import mesh_of_field
from fastavatar.models.views import field_of_points


def sphere(count: int, radius: float = 0.1) -> tuple[Array, Array, Array]:
    index = np.arange(count) + 0.5
    polar, turn = np.arccos(1 - 2 * index / count), np.pi * (1 + 5**0.5) * index
    normals = np.stack([np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)], 1)
    return radius * normals, normals, np.tile([0.2, 0.4, 0.6], (count, 1))


def test_distances_near_a_sphere() -> None:
    ask = field_of_points(*sphere(2000))
    places = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    places = places / places.norm(dim=1, keepdim=True) * torch.linspace(0.09, 0.102, 500)[:, None]
    distances, colors = ask(places)
    assert float((distances - (places.norm(dim=1) - 0.1)).abs().max()) < 5e-4
    assert float((colors - torch.tensor([0.2, 0.4, 0.6])).abs().max()) < 1e-6


def test_the_middle_is_inside_and_far_away_is_outside() -> None:
    distances, _ = field_of_points(*sphere(2000))(torch.tensor([[0.0, 0, 0], [0.3, 0.3, -0.3], [0, 0, 0.5]]))
    assert float(distances[0]) < 0 < float(distances[1:].min())


def test_the_mean_head_is_closed_though_its_points_end_at_the_torso() -> None:
    start = mean_start(2000)
    colors = np.full((2000, 3), 0.5)
    mesh = mesh_of_field(
        field_of_points(start.points.double().numpy(), start.normals.double().numpy(), colors), 64
    )
    assert is_closed(mesh.faces.numpy())
    assert float(mesh.nearest(start.points)[0].median()) < 0.002
    # No sheet far from all points
    apart = torch.cdist(mesh.vertices, start.points).amin(1)
    assert float(apart[mesh.vertices[:, 1] > -0.25].quantile(0.95)) < 0.012
    height = mesh.vertices[:, 1]
    assert float(height.min()) > float(start.points[:, 1].min()) - 0.006
