"""The formats against PlayCanvas' own converter, where it is installed: what either writes the other reads.

`npm install --ignore-scripts @playcanvas/splat-transform@2.7.1`, and `node_modules/.bin` in the PATH.
"""

import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from fastavatar.core import Gaussians
from fastavatar.formats.registry import read_gaussians, write_gaussians
from fastavatar.formats.splats.ply import parse_ply
from tests.formats.splats.storable import psnr, storable

PROGRAM = "splat-transform"
pytestmark = pytest.mark.skipif(shutil.which(PROGRAM) is None, reason=f"{PROGRAM} is not installed")


def convert(source: Path, target: Path, *flags: str) -> Path:
    """Let the program turn one file into the other."""
    command = [PROGRAM, "--quiet", "--overwrite", "--gpu", "cpu", *flags, str(source), str(target)]
    subprocess.run(command, check=True, capture_output=True)
    return target


def read(path: Path) -> Gaussians:
    """A PLY of the program, which writes infinite logits for the bytes 0 and 255."""
    found = parse_ply(path).gaussians
    tensors = {**found.tensors(), "opacity_logits": found.opacity_logits.nan_to_num(0.0, 9.0, -9.0)}
    return Gaussians(**tensors).rotated(torch.diag(torch.tensor([-1.0, -1.0, 1.0])))


@pytest.mark.parametrize("degree", range(4))
@pytest.mark.parametrize(("ending", "least"), [(".spz", 46.0), (".sog", 55.0)])
def test_it_reads_what_we_write(ending: str, least: float, degree: int, tmp_path: Path) -> None:
    g = storable(degree=degree)
    write_gaussians(g, tmp_path / f"a{ending}")
    back = read(convert(tmp_path / f"a{ending}", tmp_path / "b.ply"))
    assert len(back) == len(g) and back.sh_degree == degree and psnr(g, back) > least


@pytest.mark.parametrize("degree", range(4))
@pytest.mark.parametrize(
    ("ending", "flags"), [(".spz", ("--spz-version", "3")), (".spz", ("--spz-version", "4")), (".sog", ())]
)
def test_we_read_what_it_writes(ending: str, flags: tuple[str, ...], degree: int, tmp_path: Path) -> None:
    g = storable(degree=degree)
    write_gaussians(g, tmp_path / "a.ply")
    convert(tmp_path / "a.ply", tmp_path / f"b{ending}", *flags)
    ours, theirs = (
        read_gaussians(tmp_path / f"b{ending}"),
        read(convert(tmp_path / f"b{ending}", tmp_path / "c.ply")),
    )
    assert len(ours) == len(g) and psnr(g, ours) > 36
    assert psnr(theirs, ours) > 60
    for name in ("means", "log_scales", "sh"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), rtol=0, atol=1e-6)


@pytest.mark.parametrize("level", range(3))
def test_both_read_ksplat_files_alike(level: int, tmp_path: Path) -> None:
    source = Path(__file__).with_name("data") / f"gaussian_splats_3d_level{level}.ksplat"
    ours, theirs = read_gaussians(source), read(convert(source, tmp_path / "a.ply"))
    for name in ("means", "log_scales", "quats_wxyz", "sh"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), rtol=0, atol=1e-5)
