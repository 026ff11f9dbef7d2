"""One Gaussian with an absurd number must not affect the others in any format."""

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fastavatar.core import Gaussians
from fastavatar.formats.registry import read_gaussians, write_gaussians
from tests.formats.splats.storable import storable

PACKED = (".compressed.ply", ".spz", ".sog")


def with_stray(name: str, value: float) -> Gaussians:
    """A head whose first Gaussian has `value` as the first number of the parameter `name`."""
    head = storable(count=1000)
    numbers = getattr(head, name).clone()
    numbers.view(len(head), -1)[0, 0] = value
    return replace(head, **{name: numbers})


def others_in_file(stray: Gaussians, path: Path) -> tuple[Gaussians, Gaussians, tuple[str, ...]]:
    """All but the first Gaussian, those of the file that lie nearest to each, and what the file lost."""
    lost = write_gaussians(stray, path)
    others, read = stray.subset(torch.arange(1, len(stray))), read_gaussians(path)
    return others, read.subset(torch.cdist(others.means, read.means).argmin(1)), lost


@pytest.mark.parametrize("ending", PACKED)
@pytest.mark.parametrize("value", [1e3, -1e30])
def test_one_absurd_colour_leaves_the_others(ending: str, value: float, tmp_path: Path) -> None:
    others, read, lost = others_in_file(with_stray("sh", value), tmp_path / f"a{ending}")
    assert float((read.sh[:, 0] - others.sh[:, 0]).abs().max()) < 0.05
    assert any("1 SH coefficients beyond" in sentence for sentence in lost)


@pytest.mark.parametrize("ending", PACKED)
@pytest.mark.parametrize("value", [1e30, -1e30, 80.0])
def test_one_absurd_size_leaves_the_others(ending: str, value: float, tmp_path: Path) -> None:
    others, read, lost = others_in_file(with_stray("log_scales", value), tmp_path / f"a{ending}")
    assert float((read.log_scales - others.log_scales).abs().median()) < 0.05
    assert any("made smaller" in sentence or "1 sizes outside" in sentence for sentence in lost) or value < 0


@pytest.mark.parametrize("value", [1e4, -1e30])
def test_one_far_centre_leaves_the_others_in_an_spz(value: float, tmp_path: Path) -> None:
    others, read, lost = others_in_file(with_stray("means", value), tmp_path / "a.spz")
    assert float((read.means - others.means).abs().max()) < 1.3e-4
    assert any(sentence.startswith("1 coordinates beyond") for sentence in lost)


def test_a_whole_head_far_away_is_held_by_an_spz(tmp_path: Path) -> None:
    head = storable(count=1000)
    far = replace(head, means=head.means + 5000.0)
    lost = write_gaussians(far, tmp_path / "a.spz")
    assert float((read_gaussians(tmp_path / "a.spz").means - far.means).abs().max()) < 2e-3
    assert not any("coordinates" in sentence for sentence in lost)


def test_centres_that_a_far_one_moves_in_a_compressed_ply_are_counted(tmp_path: Path) -> None:
    stray = with_stray("means", 100.0)
    others, read, lost = others_in_file(stray, tmp_path / "a.compressed.ply")
    moved = (read.means - others.means).abs().amax(1)
    told = next(sentence for sentence in lost if "centres are moved" in sentence)
    assert int(told.split()[0]) in (232, 256), "the chunk that holds the far one, perhaps the last"
    assert float(moved.median()) < 1e-3
    assert not any(
        "moved" in sentence
        for sentence in write_gaussians(storable(count=1000), tmp_path / "b.compressed.ply")
    )


def test_a_glb_holds_no_infinite_size(tmp_path: Path) -> None:
    path = tmp_path / "a.glb"
    lost = write_gaussians(with_stray("log_scales", 100.0), path)
    content = path.read_bytes()
    (size,) = struct.unpack_from("<I", content, 12)
    document, body = json.loads(content[20 : 20 + size]), content[28 + size :]
    place = document["meshes"][0]["primitives"][0]["attributes"]["KHR_gaussian_splatting:SCALE"]
    view = document["bufferViews"][place]
    sizes = np.frombuffer(body, "<f4", view["byteLength"] // 4, view["byteOffset"])
    assert np.isfinite(sizes).all() and sizes.max() == pytest.approx(1e18)
    assert "1 Gaussians larger than 1e+18 m are made smaller" in lost
