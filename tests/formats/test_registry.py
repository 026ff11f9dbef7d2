from pathlib import Path

import numpy as np
import pytest
import torch

from fastavatar.errors import FastAvatarError, InputError, UsageError
from fastavatar.formats.registry import FORMATS, read_gaussians, write_gaussians
from fastavatar.formats.splats.frames import FRAMES, Frame
from tests.formats.splats.storable import psnr, storable

BOTH_WAYS = (".compressed.ply", ".ply", ".splat", ".npz", ".sog", ".spz")
"""The formats that are written and read."""
LEAST_PSNR = {
    ".ply": 100.0,
    ".npz": 100.0,
    ".compressed.ply": 45.0,
    ".splat": 40.0,
    ".sog": 55.0,
    ".spz": 46.0,
}
SAYS_ITS_FRAME = (".compressed.ply", ".ply", ".npz")


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("ending", BOTH_WAYS)
def test_every_format_brings_the_same_head_back_in_every_frame(
    ending: str, frame: Frame, tmp_path: Path
) -> None:
    g = storable(degree=0 if ending == ".splat" else 3)
    path = tmp_path / f"Head{ending.upper()}"
    losses = write_gaussians(g, path, frame)
    back = read_gaussians(path, frame)
    assert len(back) == len(g) and psnr(g, back) > LEAST_PSNR[ending]
    assert bool(losses) == (ending not in (".ply", ".npz"))
    stated = read_gaussians(path)
    if ending in SAYS_ITS_FRAME:
        assert torch.equal(stated.means, back.means)
    other = read_gaussians(path, "opencv" if frame == "head" else "head")
    assert torch.equal(other.means.abs(), back.means.abs())
    assert not torch.equal(other.means, back.means)


def test_npz_is_what_numpy_reads(tmp_path: Path) -> None:
    g = storable(count=9, degree=1)
    write_gaussians(g, tmp_path / "a.npz", "head")
    with np.load(tmp_path / "a.npz") as file:
        assert str(file["frame"]) == "head"
        assert sorted(file.files) == sorted(["frame", *g.tensors()])
        for name, value in g.tensors().items():
            assert np.array_equal(file[name], value.numpy()) and file[name].dtype == np.float32


def savez(path: Path, **arrays: object) -> None:
    good = {name: value.numpy() for name, value in storable(count=2).tensors().items()}
    kept = {name: value for name, value in {**good, **arrays}.items() if value is not None}
    np.savez(path, **kept)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"sh": None}, "it has no array 'sh'"),
        ({"means": np.zeros((3, 2))}, "means must have shape"),
        ({"means": np.array([["a", "b", "c"]] * 2)}, "or a damaged one"),
        ({"means": np.array([{}, {}], dtype=object)}, "or a damaged one"),
        ({"means": np.full((2, 3), np.nan)}, "not one of its 2 Gaussians can be drawn: 2 with"),
    ],
)
def test_damaged_npz_files_are_refused(arrays: dict[str, object], said: str, tmp_path: Path) -> None:
    savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=f"cannot read .*{said}") as caught:
        read_gaussians(tmp_path / "a.npz")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"text", np.zeros(3).tobytes()])
def test_what_is_no_npz_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match="it is no such .npz file, or a damaged one"):
        read_gaussians(tmp_path / "a.npz")


def test_every_format_is_registered_in_order() -> None:
    assert [known.ending for known in FORMATS] == [*BOTH_WAYS, ".ksplat", ".glb", ".html"]


def test_unknown_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"a\.obj does not have the ending of a known format: use one of \.compressed\.ply, "
    ):
        read_gaussians(tmp_path / "a.obj")
    with pytest.raises(UsageError, match="does not have the ending of a known format"):
        write_gaussians(storable(count=1), tmp_path / "ply")


@pytest.mark.parametrize("ending", BOTH_WAYS)
def test_what_cannot_be_written_leaves_nothing(ending: str, tmp_path: Path) -> None:
    g = storable(count=3)
    g.means[1, 0] = torch.nan
    with pytest.raises(InputError, match="means of Gaussian 1 is not finite"):
        write_gaussians(g, tmp_path / f"a{ending}")
    with pytest.raises(InputError, match="there are no Gaussians"):
        write_gaussians(g.subset(torch.tensor([], dtype=torch.long)), tmp_path / f"a{ending}")
    with pytest.raises(UsageError, match="there is no frame 'world'"):
        write_gaussians(storable(count=3), tmp_path / f"a{ending}", "world")  # type: ignore[arg-type]
    (tmp_path / "file").touch()
    with pytest.raises(FastAvatarError, match="not a directory"):
        write_gaussians(storable(count=3), tmp_path / "file" / f"a{ending}")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
