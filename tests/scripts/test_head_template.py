from pathlib import Path

import numpy as np
import pytest

from fastavatar.models.facemesh.template import load_template
from scripts.head_template import __main__ as script
from scripts.head_template import face, loops, solids

grid = np.random.default_rng(0).uniform(-1, 1, (500, 3))


def test_the_shipped_template_is_what_the_script_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "made.npz"
    monkeypatch.setattr(script, "TARGET", target)
    script.main()
    assert capsys.readouterr().out.startswith("made.npz: ")
    made, shipped = np.load(target), load_template()
    # Face Mesh's last digits differ from one processor to another
    assert np.abs(made["vertices"] - shipped.vertices).max() < 1e-3
    assert (made["faces"] == shipped.faces).all(1).mean() > 0.99
    np.testing.assert_array_equal(made["mirror"], shipped.mirror)
    assert (made["region"] == shipped.region).mean() > 0.99


def test_a_ball_is_as_far_as_it_is() -> None:
    exact = np.linalg.norm(grid - [0.1, 0, 0], axis=1) - 0.3
    np.testing.assert_allclose(solids.ellipsoid(grid, (0.1, 0, 0), (0.3, 0.3, 0.3)), exact, atol=1e-9)
    np.testing.assert_allclose(solids.capsule(grid, (0.1, 0, 0), (0.1, 0, 1e-9), 0.3), exact, atol=1e-6)


def test_a_blend_holds_both_and_rounds_where_they_meet() -> None:
    a = solids.ellipsoid(grid, (-0.3, 0, 0), (0.4, 0.4, 0.4))
    b = solids.ellipsoid(grid, (0.3, 0, 0), (0.4, 0.4, 0.4))
    both = solids.blend(a, b, 0.1)
    assert (both <= np.minimum(a, b) + 1e-12).all()
    apart = np.abs(a - b) > 0.1
    np.testing.assert_allclose(both[apart], np.minimum(a, b)[apart])
    np.testing.assert_allclose(both, solids.blend(b, a, 0.1))


def test_the_boundary_is_walked_in_order() -> None:
    fan = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1]])
    assert loops.boundary_loop(fan, 1).tolist() == [1, 2, 3, 4]
    two = np.concatenate([fan, fan[:2] + 10])
    np.testing.assert_array_equal(loops.largest_part(two), fan)


def test_face_mesh_has_852_triangles_open_at_eyes_and_mouth() -> None:
    triangles = face.face_triangles()
    assert triangles.shape == (852, 3) and len(np.unique(triangles)) == 468
    assert len(loops.boundary_loop(triangles, 33)) == len(loops.boundary_loop(triangles, 263)) == 16
    assert len(loops.boundary_loop(triangles, 10)) == 36
