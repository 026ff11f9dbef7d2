import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import plyfile
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fastavatar.core import Gaussians
from fastavatar.errors import InputError
from fastavatar.formats.splats.compressed_ply import (
    CHUNK,
    encode_compressed_ply,
    in_boxes,
    losses,
    to_elements,
)
from fastavatar.formats.splats.ply import read_ply
from fastavatar.geometry import matrix_from_quaternion_wxyz
from tests.formats.splats.storable import psnr, storable


def write(gaussians: Gaussians, path: Path) -> Path:
    path.write_bytes(encode_compressed_ply(gaussians, "head"))
    return path


def by_the_description(path: Path) -> Gaussians:
    """Another reader: one Gaussian after the other, as the format's description reads."""
    data = plyfile.PlyData.read(path)
    tensors: list[list[list[float]]] = [[], [], [], [], []]
    for index, row in enumerate(data["vertex"].data):
        bounds = data["chunk"].data[index // 256]

        def vector(word: int, names: list[str], bounds: np.void = bounds) -> list[float]:
            parts = [(word >> 21) / 2047, (word >> 11 & 1023) / 1023, (word & 2047) / 2047]
            ends = [(float(bounds[f"min_{name}"]), float(bounds[f"max_{name}"])) for name in names]
            return [low + part * (high - low) for part, (low, high) in zip(parts, ends, strict=True)]

        tensors[0].append(vector(int(row["packed_position"]), ["x", "y", "z"]))
        tensors[2].append(vector(int(row["packed_scale"]), ["scale_x", "scale_y", "scale_z"]))
        turn = int(row["packed_rotation"])
        quat = [((turn >> shift & 1023) / 1023 - 0.5) * math.sqrt(2) for shift in (20, 10, 0)]
        quat.insert(turn >> 30, math.sqrt(max(0.0, 1 - sum(part**2 for part in quat))))
        tensors[1].append(quat)
        color = int(row["packed_color"])
        opacity = min(max((color & 255) / 255, 1e-3), 1 - 1e-3)
        tensors[3].append([math.log(opacity / (1 - opacity))])
        rgb = [
            float(bounds[f"min_{c}"])
            + (color >> shift & 255) / 255 * (float(bounds[f"max_{c}"]) - float(bounds[f"min_{c}"]))
            for c, shift in (("r", 24), ("g", 16), ("b", 8))
        ]
        sh = [[(part - 0.5) / 0.28209479177387814 for part in rgb]]
        if "sh" in data:
            coded = [float(value) for value in data["sh"].data[index]]
            per = len(coded) // 3
            sh += [[((coded[c * per + k] + 0.5) / 256 - 0.5) * 8 for c in range(3)] for k in range(per)]
        tensors[4].append([value for band in sh for value in band])
    means, quats, scales, opacity_logits, flat = (torch.tensor(part) for part in tensors)
    return Gaussians(means, quats, scales, opacity_logits[:, 0], flat.reshape(len(flat), -1, 3))


@pytest.mark.parametrize("degree", range(4))
def test_another_reader_reads_the_same(degree: int, tmp_path: Path) -> None:
    path = write(storable(degree=degree), tmp_path / "a.compressed.ply")
    ours, theirs = read_ply(path), by_the_description(path)
    assert ours.sh_degree == degree
    for name in ("means", "log_scales", "sh"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.opacities, theirs.opacities, rtol=1e-2, atol=1e-3)
    torch.testing.assert_close(
        *(matrix_from_quaternion_wxyz(g.quats_wxyz) for g in (ours, theirs)), rtol=0, atol=1e-4
    )


def test_it_looks_the_same_and_drops_no_gaussian(tmp_path: Path) -> None:
    g = storable()
    back = read_ply(write(g, tmp_path / "a.ply"))
    assert len(back) == len(g)
    assert psnr(g, back) > 45


def test_the_layout_is_playcanvas(tmp_path: Path) -> None:
    data = plyfile.PlyData.read(write(storable(), tmp_path / "a.ply"))
    assert [(element.name, len(element.data)) for element in data.elements] == [
        ("chunk", 3),
        ("vertex", 600),
        ("sh", 600),
    ]
    bounds = [
        f"{end}_{name}"
        for part in (("x", "y", "z"), ("scale_x", "scale_y", "scale_z"), ("r", "g", "b"))
        for end in ("min", "max")
        for name in part
    ]
    assert [p.name for p in data["chunk"].properties] == bounds
    assert {p.val_dtype for p in data["chunk"].properties} == {"f4"}
    words = ["packed_position", "packed_rotation", "packed_scale", "packed_color"]
    assert [(p.name, p.val_dtype) for p in data["vertex"].properties] == [(word, "u4") for word in words]
    assert [(p.name, p.val_dtype) for p in data["sh"].properties] == [
        (f"f_rest_{i}", "u1") for i in range(45)
    ]
    assert data.elements[-1].comments == ["frame head"] and data.comments == []
    assert "sh" not in to_elements(storable(degree=0))


def test_files_of_gsplat_are_read(tmp_path: Path) -> None:
    exporter = pytest.importorskip("gsplat.exporter", reason="gsplat is not installed")
    g = storable()
    exporter.export_splats(
        *(g.means, g.log_scales, g.quats_wxyz, g.opacity_logits, g.sh[:, :1], g.sh[:, 1:]),
        format="ply_compressed",
        save_to=str(tmp_path / "a.ply"),
    )
    assert psnr(g, read_ply(tmp_path / "a.ply", "head")) > 40


@given(st.integers(0, 9999), st.integers(1, 70), st.integers(1, 9))
def test_every_gaussian_is_in_one_box(seed: int, count: int, size: int) -> None:
    order = in_boxes(np.random.default_rng(seed).random((count, 3)).astype(np.float32), size)
    assert sorted(order.tolist()) == list(range(count))


def test_boxes_are_tight() -> None:
    points = np.random.default_rng(0).random((8 * CHUNK, 3)).astype(np.float32)
    ordered = points[in_boxes(points, CHUNK)].reshape(8, CHUNK, 3)
    assert np.ptp(ordered, axis=1).max() < 0.6  # octants of the unit cube, about


def test_alike_gaussians_have_bounds_without_width(tmp_path: Path) -> None:
    g = storable(count=5)
    alike = g.subset(torch.zeros(5, dtype=torch.long))
    back = read_ply(write(alike, tmp_path / "a.ply"))
    torch.testing.assert_close(back.means, alike.means)
    torch.testing.assert_close(back.log_scales, alike.log_scales)
    torch.testing.assert_close(back.sh[:, 0], alike.sh[:, 0])


def test_faint_gaussians_and_strong_coefficients_are_reported_and_not_dropped(tmp_path: Path) -> None:
    g = storable(count=20)
    faint = replace(g, opacity_logits=torch.full((20,), -9.0))
    assert len(read_ply(write(faint, tmp_path / "a.ply"))) == 20
    assert len(losses(g)) == 1
    strong = replace(g, sh=g.sh.clone())
    strong.sh[3, 2, 1], strong.sh[4, 5, 0] = 5.0, -6.0
    assert losses(strong)[1] == "2 SH coefficients beyond ±8 (the first) or ±4 are clipped"


@pytest.mark.parametrize("name", ["min_x", "max_scale_z", "max_g", "packed_rotation"])
def test_a_missing_property_is_named(name: str, tmp_path: Path) -> None:
    content = write(storable(), tmp_path / "a.ply").read_bytes()
    kind = b"uint" if name.startswith("packed") else b"float"
    old = b"property %s %s\n" % (kind, name.encode())
    assert content.count(old) == 1
    (tmp_path / "b.ply").write_bytes(content.replace(old, old.replace(b"_", b"-", 1)))
    with pytest.raises(InputError, match=f"cannot read .*: it is a compressed PLY without {name}$"):
        read_ply(tmp_path / "b.ply")


@pytest.mark.parametrize(
    ("element", "cut", "said"),
    [
        ("chunk", 1, "it is a compressed PLY without the bounds of all its chunks"),
        ("sh", 1, "it is a compressed PLY with 599 rows of 45 SH coefficients"),
    ],
)
def test_elements_that_do_not_fit_are_refused(element: str, cut: int, said: str, tmp_path: Path) -> None:
    path = write(storable(), tmp_path / "a.ply")
    data = plyfile.PlyData.read(path)
    parts = [
        plyfile.PlyElement.describe(part.data[: -cut if part.name == element else None], part.name)
        for part in data.elements
    ]
    plyfile.PlyData(parts).write(tmp_path / "b.ply")
    with pytest.raises(InputError, match=f"cannot read .*: {said}$"):
        read_ply(tmp_path / "b.ply")
