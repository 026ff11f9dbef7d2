import gzip
import json
import shutil
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from fastavatar.errors import FastAvatarError, InputError, UsageError
from fastavatar.formats.registry import read_gaussians, write_gaussians
from fastavatar.formats.splats.splat_transform import INSTALL, PROGRAM
from tests.formats.splats.storable import psnr, storable

needs_program = pytest.mark.skipif(shutil.which(PROGRAM) is None, reason=f"{PROGRAM} is not installed")
ASIDE = torch.tensor([0.05, 0.1, 0.2])


@needs_program
@pytest.mark.parametrize(("ending", "least"), [(".spz", 38.0), (".sog", 38.0)])
def test_they_bring_the_same_head_back(ending: str, least: float, tmp_path: Path) -> None:
    g = storable()
    assert "rounded" in write_gaussians(g, tmp_path / f"a{ending}")[0]
    back = read_gaussians(tmp_path / f"a{ending}")
    assert len(back) == len(g) and back.sh_degree == 3
    assert psnr(g, back) > least


@needs_program
def test_another_reader_sees_spz_with_y_up_and_the_face_turned_away(tmp_path: Path) -> None:
    """Its axes are right, up, back; a PLY is taken to be right, down, forward, whatever viewers do to it."""
    g = storable(count=50)
    g.means.add_(ASIDE)
    write_gaussians(g, tmp_path / "a.spz")
    content = gzip.decompress((tmp_path / "a.spz").read_bytes())
    magic, version, count, degree, fraction_bits = struct.unpack_from("<4sIIBB", content)
    assert (magic, version, count, degree) == (b"NGSP", 3, 50, 3)
    coded = np.frombuffer(content, np.uint8, 9 * count, 16).reshape(count, 3, 3).astype(np.int64)
    whole = coded[..., 0] | coded[..., 1] << 8 | coded[..., 2] << 16
    means = np.where(whole < 1 << 23, whole, whole - (1 << 24)) / (1 << fraction_bits)
    expected = g.means.numpy() * (-1, 1, -1)
    np.testing.assert_allclose(
        np.sort(means, axis=0), np.sort(expected, axis=0), atol=2 / (1 << fraction_bits)
    )


@needs_program
def test_glb_stands_as_gltf_wants_it(tmp_path: Path) -> None:
    """Up is +y and the face looks along +z: the head frame itself."""
    g = storable(count=50)
    g.means.add_(ASIDE)
    assert write_gaussians(g, tmp_path / "a.glb") == ("the file cannot say its frame",)
    content = (tmp_path / "a.glb").read_bytes()
    (length,) = struct.unpack_from("<I", content, 12)
    document = json.loads(content[20 : 20 + length])
    assert document["asset"]["version"] == "2.0"
    assert "KHR_gaussian_splatting" in document["extensionsUsed"]
    place = document["meshes"][0]["primitives"][0]["attributes"]["POSITION"]
    positions = document["accessors"][place]
    assert positions["count"] == 50
    np.testing.assert_allclose(positions["min"], g.means.amin(0).numpy(), atol=1e-6)
    np.testing.assert_allclose(positions["max"], g.means.amax(0).numpy(), atol=1e-6)
    with pytest.raises(UsageError, match=r"\.glb files are written only"):
        read_gaussians(tmp_path / "a.glb")


@needs_program
def test_sog_is_a_zip_of_pictures(tmp_path: Path) -> None:
    write_gaussians(storable(count=300), tmp_path / "a.sog")
    with zipfile.ZipFile(tmp_path / "a.sog") as file:
        assert file.testzip() is None
        assert json.loads(file.read("meta.json"))["count"] == 300


@needs_program
@pytest.mark.parametrize("ending", [".sog", ".spz"])
@pytest.mark.parametrize("content", [b"", b"hello"])
def test_damaged_files_are_refused_in_one_line(ending: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / f"a{ending}").write_bytes(content)
    with pytest.raises(InputError, match=r"cannot read .*: .*[a-z]{3}") as caught:
        read_gaussians(tmp_path / f"a{ending}")
    assert "\n" not in str(caught.value) and "failed in" not in str(caught.value)


def test_without_the_program_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = f"files need Node.js and {PROGRAM}: {INSTALL}"
    with pytest.raises(FastAvatarError) as caught:
        write_gaussians(storable(count=3), tmp_path / "a.sog")
    assert str(caught.value) == f".sog {said}"
    with pytest.raises(InputError, match="there is no such file"):
        read_gaussians(tmp_path / "b.spz")
    (tmp_path / "b.spz").write_bytes(b"")
    with pytest.raises(FastAvatarError, match=r"^\.spz files need Node\.js"):
        read_gaussians(tmp_path / "b.spz")
    assert [path.name for path in tmp_path.iterdir()] == ["b.spz"]
