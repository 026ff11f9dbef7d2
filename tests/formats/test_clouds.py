from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fastavatar.core import Mesh
from fastavatar.errors import InputError
from fastavatar.formats import read_cloud, write_gaussians, write_mesh
from fastavatar.surfaces import Surface, opaque_discs
from fastavatar.system import encode_ply_elements

TETRAHEDRON = Mesh(
    torch.tensor([[0.0, 0, 0], [0.1, 0, 0], [0, 0.1, 0], [0, 0, 0.1]]),
    torch.tensor([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]),
)


def test_signed_distance_samples(tmp_path: Path) -> None:
    path = tmp_path / "samples.npz"
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        f"{name}_{field}": rng.random((5, 3) if field != "distances" else 5, np.float32)
        for name in ("near", "far")
        for field in ("points", "distances", "normals", "colors")
    }
    np.savez(path, **arrays, other=np.zeros(3))
    cloud = read_cloud(path)
    assert list(cloud) == ["near", "far"]
    for name, samples in cloud.items():
        for field in ("points", "distances", "normals"):
            assert np.array_equal(getattr(samples, field), arrays[f"{name}_{field}"])
        assert np.abs(np.asarray(samples.colors) - 255 * arrays[f"{name}_colors"]).max() <= 0.5


def test_plain_points(tmp_path: Path) -> None:
    path = tmp_path / "points.npz"
    np.savez(path, points=np.ones((2, 3)), colors=np.full((2, 3), 7, np.uint8))
    (samples,) = read_cloud(path).values()
    assert samples.points.dtype == np.float32 and samples.distances is None and samples.normals is None
    assert np.asarray(samples.colors).tolist() == [[7, 7, 7]] * 2


def test_a_ply_of_points(tmp_path: Path) -> None:
    path = tmp_path / "points.ply"
    columns = [(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")]
    rows = np.zeros(3, [*columns, ("red", "u1"), ("green", "u1"), ("blue", "u1")])
    rows["y"], rows["nz"], rows["green"] = [1, 2, 3], 1, 9
    path.write_bytes(encode_ply_elements({"vertex": rows}))
    samples = read_cloud(path)["points"]
    assert samples.points.tolist() == [[0, 1, 0], [0, 2, 0], [0, 3, 0]]
    assert (
        np.asarray(samples.normals).tolist() == [[0, 0, 1]] * 3
        and np.asarray(samples.colors).tolist() == [[0, 9, 0]] * 3
    )


@pytest.mark.parametrize("ending", [".ply", ".splat", ".npz"])
def test_splats_give_their_centres(tmp_path: Path, ending: str) -> None:
    points = np.random.default_rng(0).normal(size=(40, 3)) * 0.1
    surface = Surface(points, points / np.linalg.norm(points, axis=1, keepdims=True))
    path = tmp_path / f"splats{ending}"
    write_gaussians(opaque_discs(surface, np.full((40, 3), 0.2)), path)
    samples = read_cloud(path)["points"]
    order, wanted = (np.lexsort(one.T.round(5)) for one in (samples.points, points))
    assert np.abs(samples.points[order] - points[wanted]).max() < 1e-5
    assert np.abs(np.asarray(samples.colors) - 51.0).max() <= 1


def test_points_are_spread_over_a_mesh(tmp_path: Path) -> None:
    path = tmp_path / "mesh.ply"
    write_mesh(TETRAHEDRON, path)
    samples = read_cloud(path)["points"]
    assert (
        len(samples) > 100_000
        and float(TETRAHEDRON.nearest(torch.from_numpy(samples.points[::500]))[0].max()) < 1e-6
    )


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"points": np.zeros((3, 2))}, r"points must have shape \(3, 3\)"),
        ({"points": np.full((3, 3), np.nan)}, "points are not finite"),
        ({"points": np.zeros((0, 3))}, "at least one row"),
        ({"near_points": np.zeros((3, 3)), "near_distances": np.zeros(2)}, "distances must have shape"),
        ({"points": np.array([["a", "b", "c"]])}, "points must be numbers"),
    ],
)
def test_bad_arrays_are_refused(tmp_path: Path, arrays: dict[str, Any], said: str) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=said) as caught:
        read_cloud(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    for name in ("none.npz", "none.ply", "none.splat"):
        with pytest.raises(InputError, match=name):
            read_cloud(tmp_path / name)
