import pytest
import torch

from fastavatar.core import Binding, Mesh, Shapes, Skeleton
from fastavatar.errors import InputError
from tests.synthetic_capture import make_mesh

SQUARE = Mesh(
    torch.tensor([[0.0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]]), torch.tensor([[0, 1, 2], [0, 2, 3]])
)


def test_areas_normals_edges_and_boundary_of_a_square() -> None:
    assert SQUARE.areas().tolist() == [2, 2]
    assert torch.equal(SQUARE.normals(), torch.tensor([0.0, 0, 1]).expand(4, 3))
    assert SQUARE.edges().tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [2, 3]]
    (loop,) = SQUARE.boundary_loops()
    assert sorted(loop.tolist()) == [0, 1, 2, 3]


def test_samples_lie_on_the_surface_and_move_with_it() -> None:
    mesh = make_mesh()
    held = mesh.sample(500)
    assert abs(len(held) - 500) <= 1
    distance, nearest = mesh.nearest(held.at(mesh.vertices))
    assert float(distance.max()) < 1e-6
    shift = torch.tensor([0.1, -0.2, 0.3])
    torch.testing.assert_close(held.at(mesh.vertices + shift), held.at(mesh.vertices) + shift)
    assert len(held.subset(torch.arange(7))) == 7


@pytest.mark.parametrize("face", [[0, 1, 4], [-1, 0, 1]])
def test_a_face_that_names_no_vertex_is_refused(face: list[int]) -> None:
    with pytest.raises(InputError, match="a face names a vertex that is not among the 4"):
        Mesh(SQUARE.vertices, torch.tensor([face]))


def test_shapes_must_fit() -> None:
    with pytest.raises(InputError, match="uv must have shape"):
        Mesh(SQUARE.vertices, SQUARE.faces, uv=torch.zeros(3, 2))
    with pytest.raises(InputError, match="weights must have shape"):
        Binding(torch.zeros(5, 3, dtype=torch.long), torch.zeros(4, 3))


def test_a_subset_keeps_what_belongs_to_its_vertices() -> None:
    mesh = Mesh(
        SQUARE.vertices,
        SQUARE.faces,
        uv=SQUARE.vertices[:, :2] / 2,
        parts=torch.tensor([0, 1]),
        colors=torch.arange(12).reshape(4, 3) / 12,
        shapes=Shapes(("rise",), torch.arange(12.0).reshape(1, 4, 3)),
        skeleton=Skeleton(("neck",), (-1,), torch.zeros(1, 3), torch.arange(4.0)[:, None]),
    )
    kept = mesh.subset(torch.tensor([False, True]))
    used = [0, 2, 3]
    assert torch.equal(kept.vertices, mesh.vertices[used]) and kept.faces.tolist() == [[0, 1, 2]]
    assert mesh.uv is not None and kept.uv is not None and torch.equal(kept.uv, mesh.uv[used])
    assert mesh.colors is not None and kept.colors is not None
    assert torch.equal(kept.colors, mesh.colors[used])
    assert kept.parts is not None and kept.parts.tolist() == [1]
    assert kept.shapes is not None and kept.shapes.offsets[0, :, 0].tolist() == [0, 6, 9]
    assert kept.skeleton is not None and kept.skeleton.weights[:, 0].tolist() == [0, 2, 3]


def test_a_joint_follows_its_parent() -> None:
    with pytest.raises(InputError, match="must precede them"):
        Skeleton(("head", "neck"), (1, -1), torch.zeros(2, 3), torch.zeros(4, 2))
