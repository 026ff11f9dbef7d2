import logging
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import plyfile
import pytest
import torch

from fastavatar.core import Gaussians
from fastavatar.errors import InputError
from fastavatar.formats.registry import read_gaussians, write_gaussians
from fastavatar.formats.splats.stored import Stored, to_be_stored
from tests.formats.splats.storable import psnr, storable

COUNT = 40


def changed(**values: tuple[Any, float]) -> Gaussians:
    """Storable Gaussians with some numbers of some parameters replaced: name=(index, value)."""
    tensors = {name: value.clone() for name, value in storable(count=COUNT).tensors().items()}
    for name, (index, value) in values.items():
        tensors[name][index] = value
    return Gaussians(**tensors)


def save_npz(g: Gaussians, path: Path) -> Path:
    np.savez(path, **{name: value.numpy() for name, value in g.tensors().items()})  # type: ignore[arg-type]
    return path


def save_ply(g: Gaussians, path: Path) -> Path:
    """Save with plyfile, which writes any numbers."""
    rest = g.sh[:, 1:].transpose(1, 2).flatten(1)
    columns = {axis: g.means[:, i] for i, axis in enumerate("xyz")}
    columns |= {f"f_dc_{i}": g.sh[:, 0, i] for i in range(3)}
    columns |= {f"f_rest_{i}": rest[:, i] for i in range(rest.shape[1])} | {"opacity": g.opacity_logits}
    columns |= {f"scale_{i}": g.log_scales[:, i] for i in range(3)}
    columns |= {f"rot_{i}": g.quats_wxyz[:, i] for i in range(4)}
    rows = np.zeros(len(g), [(name, "f4") for name in columns])
    for name, values in columns.items():
        rows[name] = values
    plyfile.PlyData([plyfile.PlyElement.describe(rows, "vertex")]).write(path)
    return path


SAVED: dict[str, Callable[[Gaussians, Path], Path]] = {"a.ply": save_ply, "a.npz": save_npz}


@pytest.mark.parametrize("name", SAVED)
def test_opacities_of_0_and_1_and_sizes_of_0_are_valid(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    g = changed(opacity_logits=(slice(5), math.inf), log_scales=(slice(3, 9), -math.inf))
    g.opacity_logits[5:7] = -math.inf
    with caplog.at_level(logging.DEBUG, "fastavatar"):
        back = read_gaussians(SAVED[name](g, tmp_path / name))
    assert len(back) == COUNT
    assert (back.opacities[:5] > 0.999).all() and (back.opacities[5:7] < 0.001).all()
    assert (back.scales[3:9] < 1e-8).all() and torch.isfinite(back.log_scales).all()
    assert torch.equal(back.opacity_logits[7:], g.opacity_logits[7:])
    (record,) = caplog.records
    assert record.levelno == logging.DEBUG
    said = f"{tmp_path / name}: clamped 7 opacities of exactly 0 or 1 and 6 sizes of 0"
    assert record.getMessage() == said


BROKEN: dict[str, tuple[dict[str, tuple[Any, float]], str]] = {
    "nan centre": ({"means": (2, math.nan)}, "1 with numbers that are not finite"),
    "infinite centre": ({"means": (slice(3), math.inf)}, "3 with numbers that are not finite"),
    "infinitely large": ({"log_scales": (4, math.inf)}, "1 with numbers that are not finite"),
    "nan opacity": ({"opacity_logits": (slice(2), math.nan)}, "2 with numbers that are not finite"),
    "infinite colour": ({"sh": ((7, 0, 1), -math.inf)}, "1 with numbers that are not finite"),
    "zero quaternion": ({"quats_wxyz": (slice(2, 6), 0.0)}, "4 with a zero quaternion"),
    "no direction in float32": ({"quats_wxyz": (2, 1e-30)}, "1 with a zero quaternion"),
    "zeros": (
        {parameter: (slice(3), 0.0) for parameter in storable(count=1).tensors()},
        "3 filled with zeros",
    ),
}


@pytest.mark.parametrize("name", SAVED)
@pytest.mark.parametrize("fault", BROKEN)
def test_rows_that_cannot_be_drawn_are_dropped_with_one_warning(
    fault: str, name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values, reason = BROKEN[fault]
    path = SAVED[name](changed(**values), tmp_path / name)
    back = read_gaussians(path)
    dropped = int(reason.split()[0])
    assert len(back) == COUNT - dropped
    back.require_finite()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == f"{path}: dropped {dropped} of {COUNT} Gaussians: {reason}"


@pytest.mark.parametrize("name", SAVED)
def test_a_file_without_a_single_usable_row_is_refused(name: str, tmp_path: Path) -> None:
    g = changed(means=(slice(None), math.nan))
    g.means[:3] = 0
    g.quats_wxyz[:3] = 0
    with pytest.raises(
        InputError, match="not one of its 40 Gaussians can be drawn: 37 with numbers that are "
    ):
        read_gaussians(SAVED[name](g, tmp_path / name))


def test_every_reason_is_counted_once_and_in_one_line() -> None:
    g = changed(quats_wxyz=(slice(4), 0.0), means=(slice(2), math.nan), opacity_logits=(9, math.inf))
    _, repairs = Stored(g, None).usable()
    assert (repairs.non_finite, repairs.zero_quaternions, repairs.infinite_opacities) == (2, 2, 1)
    assert repairs.reasons == "2 with numbers that are not finite, 2 with a zero quaternion"


@pytest.mark.parametrize("length", [1e-8, 1e-4, 1e4, 1e30])
def test_quaternions_of_any_length_are_read_as_rotations(length: float, tmp_path: Path) -> None:
    g = storable(count=COUNT)
    scaled = replace(g, quats_wxyz=torch.nn.functional.normalize(g.quats_wxyz, dim=1) * length)
    back = read_gaussians(save_npz(scaled, tmp_path / "a.npz"), "head")
    assert psnr(back, g) > 80


def test_zeroed_rows_of_packed_formats_are_dropped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    g = storable(count=COUNT, degree=0)
    write_gaussians(g, tmp_path / "a.splat")
    content = bytearray((tmp_path / "a.splat").read_bytes())
    content[32 * 5 : 32 * 8] = bytes(32 * 3)
    (tmp_path / "a.splat").write_bytes(content)
    write_gaussians(g, tmp_path / "a.compressed.ply")
    packed = (tmp_path / "a.compressed.ply").read_bytes()
    (tmp_path / "a.compressed.ply").write_bytes(packed[: -16 * 3] + bytes(16 * 3))
    for name in ("a.splat", "a.compressed.ply"):
        assert len(read_gaussians(tmp_path / name)) == COUNT - 3
    said = [record.getMessage().partition("dropped ")[2] for record in caplog.records]
    assert said == ["3 of 40 Gaussians: 3 filled with zeros", "3 of 40 Gaussians: 3 with a zero quaternion"]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_chunks_with_broken_bounds_lose_their_rows_only(
    value: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_gaussians(storable(), tmp_path / "a.compressed.ply")
    data = plyfile.PlyData.read(tmp_path / "a.compressed.ply")
    data["chunk"].data["max_x"][0] = value
    data.write(tmp_path / "b.compressed.ply")
    assert len(read_gaussians(tmp_path / "b.compressed.ply")) == 600 - 256
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize("ending", [".ply", ".compressed.ply", ".splat", ".npz"])
@pytest.mark.parametrize("log_scale", [60.0, 100.0, 1e30])
def test_no_writer_writes_a_size_that_is_not_finite(ending: str, log_scale: float, tmp_path: Path) -> None:
    g = changed(log_scales=(slice(2), log_scale))
    losses = write_gaussians(g, tmp_path / f"a{ending}")
    back = Stored(read_gaussians(tmp_path / f"a{ending}"), None).usable()
    assert len(back[0]) == COUNT and back[1].dropped == 0
    assert any("2 Gaussians larger than" in loss for loss in losses) == (
        ending in (".splat", ".compressed.ply")
    )
    if ending in (".splat", ".compressed.ply"):
        assert torch.isfinite(back[0].scales).all()


def test_numbers_beyond_float32_are_refused_by_every_writer() -> None:
    g = storable(count=3).to("cpu", torch.float64)
    g.means[1, 0] = 1e300
    with pytest.raises(InputError, match="means of Gaussian 1 is not finite"):
        to_be_stored(g, "head")
    with pytest.raises(InputError, match="means of Gaussian 1 is not finite"):
        to_be_stored(g, "supersplat")
