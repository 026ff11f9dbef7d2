from pathlib import Path
from typing import get_args

import numpy as np
import plyfile
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from fastavatar.core import Gaussians, decode_colors
from fastavatar.errors import FastAvatarError, InputError, UsageError
from fastavatar.formats.splats.frames import FRAMES, Frame, head_to_frame
from fastavatar.formats.splats.ply import encode_ply, read_ply, write_ply
from fastavatar.geometry import matrix_from_quaternion_wxyz
from fastavatar.geometry.spherical_harmonics import basis

PROPERTIES = (
    "x y z nx ny nz f_dc_0 f_dc_1 f_dc_2 "
    + " ".join(f"f_rest_{i}" for i in range(45))
    + " opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3"
).split()
RGB = ("red", "green", "blue")
HALF_TURN_ABOUT = {"supersplat": (-1.0, -1.0, 1.0), "opencv": (1.0, -1.0, -1.0), "head": (1.0, 1.0, 1.0)}


def make(seed: int = 0, count: int = 5, degree: int = 3) -> Gaussians:
    g = torch.Generator().manual_seed(seed)
    return Gaussians(
        torch.randn(count, 3, generator=g) * 0.1,
        torch.nn.functional.normalize(torch.randn(count, 4, generator=g), dim=1),
        torch.randn(count, 3, generator=g) - 6,
        torch.randn(count, generator=g),
        torch.randn(count, (degree + 1) ** 2, 3, generator=g),
    )


gaussians = st.builds(make, st.integers(0, 9999), st.integers(1, 8), st.integers(0, 3))
with_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def vertices(path: Path) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    rows: np.ndarray[tuple[int], np.dtype[np.void]] = plyfile.PlyData.read(path)["vertex"].data
    return rows


def same_turn(left: Tensor, right: Tensor) -> bool:
    """Whether quaternions (N, 4) are equal up to their sign."""
    return torch.equal(left * left[:, :1].sign(), right * right[:, :1].sign())


@with_folder
@given(gaussians, st.sampled_from(FRAMES), st.booleans())
def test_written_gaussians_are_read_back(tmp_path: Path, g: Gaussians, frame: Frame, named: bool) -> None:
    write_ply(g, tmp_path / "a.ply", frame)
    back = read_ply(tmp_path / "a.ply", frame if named else None)
    for name in ("means", "log_scales", "opacity_logits", "sh"):
        assert torch.equal(getattr(back, name), getattr(g, name)), name
    assert same_turn(back.quats_wxyz, g.quats_wxyz)
    assert encode_ply(back, frame) == (tmp_path / "a.ply").read_bytes()


@pytest.mark.parametrize("degree", range(4))
def test_an_independent_reader_sees_the_layout(degree: int, tmp_path: Path) -> None:
    g = make(degree=degree)
    write_ply(g, tmp_path / "a.ply", "head", comments=["model facemesh", "a line\nbroken, naïve"])
    data = plyfile.PlyData.read(tmp_path / "a.ply")
    assert [element.name for element in data.elements] == ["vertex"]
    assert not data.text and data.byte_order == "<"
    assert [p.name for p in data["vertex"].properties] == PROPERTIES
    assert {p.val_dtype for p in data["vertex"].properties} == {"f4"}
    assert data.comments == []
    assert data["vertex"].comments == ["frame head", "model facemesh", "a line broken, na\\xefve"]
    rows = data["vertex"].data
    assert len(rows) == len(g)
    assert rows["y"].tolist() == g.means[:, 1].tolist()
    assert rows["f_dc_2"].tolist() == g.sh[:, 0, 2].tolist()
    assert rows["opacity"].tolist() == g.opacity_logits.tolist()
    assert rows["scale_2"].tolist() == g.log_scales[:, 2].tolist()
    assert not any(rows[name].any() for name in ("nx", "ny", "nz"))
    used = (degree + 1) ** 2 - 1
    for channel in range(3):
        for k in range(15):
            expected = g.sh[:, 1 + k, channel].tolist() if k < used else [0.0] * len(g)
            assert rows[f"f_rest_{15 * channel + k}"].tolist() == expected, (channel, k)
    for i in range(4):
        assert rows[f"rot_{i}"].tolist() == g.quats_wxyz[:, i].tolist(), (
            "the head frame holds what was computed"
        )


@pytest.mark.parametrize("frame", FRAMES)
def test_frames_are_the_documented_half_turns(frame: Frame, tmp_path: Path) -> None:
    assert set(HALF_TURN_ABOUT) == set(get_args(Frame))
    g = make(count=20)
    turn = torch.diag(torch.tensor(HALF_TURN_ABOUT[frame]))
    assert torch.equal(head_to_frame(frame).float(), turn)
    write_ply(g, tmp_path / "a.ply", frame)
    turned = read_ply(tmp_path / "a.ply", "head")  # the numbers as they stand in the file
    torch.testing.assert_close(turned.means, g.means @ turn.T)
    axes = matrix_from_quaternion_wxyz(turned.quats_wxyz)
    torch.testing.assert_close(axes, turn @ matrix_from_quaternion_wxyz(g.quats_wxyz))
    directions = torch.nn.functional.normalize(torch.randn(20, 3), dim=1)
    seen = torch.einsum("nk,nkc->nc", basis(directions @ turn.T, 3), turned.sh)
    torch.testing.assert_close(seen, torch.einsum("nk,nkc->nc", basis(directions, 3), g.sh))


def test_the_same_numbers_give_the_same_bytes() -> None:
    assert encode_ply(make(), "supersplat") == encode_ply(make(), "supersplat")
    doubled = make().to("cpu", torch.float64)
    assert encode_ply(doubled, "head") == encode_ply(make(), "head")


@pytest.mark.parametrize("frame", ["supersplat", "opencv"])
def test_quaternions_of_any_length_are_written_as_rotations(frame: Frame, tmp_path: Path) -> None:
    g = make(count=3)
    scaled = Gaussians(
        g.means, g.quats_wxyz * torch.tensor([[7.0], [1e-3], [0.0]]), g.log_scales, g.opacity_logits, g.sh
    )
    write_ply(scaled, tmp_path / "a.ply", frame)
    rows = plyfile.PlyData.read(tmp_path / "a.ply")["vertex"].data
    length = np.sqrt(sum(rows[f"rot_{i}"].astype(float) ** 2 for i in range(4)))
    np.testing.assert_allclose(length, 1, atol=1e-6)
    assert (rows["rot_0"] >= 0).all()
    back = read_ply(tmp_path / "a.ply").quats_wxyz
    torch.testing.assert_close(
        matrix_from_quaternion_wxyz(back[:2]), matrix_from_quaternion_wxyz(g.quats_wxyz[:2])
    )


@pytest.mark.parametrize("degree", range(4))
@pytest.mark.parametrize("text", [True, False])
def test_files_of_other_programs_are_read(degree: int, text: bool, tmp_path: Path) -> None:
    """No comments, no normals, only as many f_rest as needed, doubles, other properties, another order."""
    g = make(degree=degree)
    rest = g.sh[:, 1:].transpose(1, 2).flatten(1)
    columns = {f"rot_{i}": g.quats_wxyz[:, i] for i in range(4)}
    columns |= {"opacity": g.opacity_logits, "confidence": torch.ones(len(g))}
    columns |= {f"f_rest_{i}": rest[:, i] for i in range(rest.shape[1])}
    columns |= {f"f_dc_{i}": g.sh[:, 0, i] for i in range(3)}
    columns |= {f"scale_{i}": g.log_scales[:, i] for i in range(3)}
    columns |= {axis: g.means[:, i] for i, axis in enumerate("xyz")}
    rows = np.zeros(len(g), [(name, "f8") for name in columns])
    for name, values in columns.items():
        rows[name] = values
    elements = [
        plyfile.PlyElement.describe(np.zeros(2, [("fov", "f4")]), "camera"),
        plyfile.PlyElement.describe(rows, "vertex"),
    ]
    plyfile.PlyData(elements, text=text, byte_order=">").write(tmp_path / "a.ply")
    back = read_ply(tmp_path / "a.ply", "head")
    for name, value in g.tensors().items():
        torch.testing.assert_close(getattr(back, name), value, rtol=0, atol=0, msg=name)
    torch.testing.assert_close(read_ply(tmp_path / "a.ply").means, g.means * torch.tensor([-1.0, -1.0, 1.0]))


@pytest.mark.parametrize("degree", range(4))
def test_bands_of_padding_are_dropped_and_a_single_number_keeps_its_band(degree: int, tmp_path: Path) -> None:
    write_ply(make(degree=degree), tmp_path / "a.ply", "head")
    assert torch.equal(read_ply(tmp_path / "a.ply").sh, make(degree=degree).sh)
    lonely = make(degree=3)
    lonely.sh[:, 1:] = 0
    lonely.sh[2, (degree + 1) ** 2 - 1, 1] = 1e-6
    write_ply(lonely, tmp_path / "b.ply", "head")
    assert read_ply(tmp_path / "b.ply").sh_degree == degree


def test_the_default_file_has_no_comments_and_its_third_line_counts_the_gaussians(tmp_path: Path) -> None:
    """As the loader of SIBR reads it: three lines, then up to `end_header`, then rows of 62 numbers."""
    write_ply(make(count=7), tmp_path / "a.ply")
    content = (tmp_path / "a.ply").read_bytes()
    assert b"comment" not in content
    for frame in FRAMES:
        encoded = encode_ply(make(count=7), frame, ["licence as you like"] if frame == "head" else ())
        lines = encoded.split(b"\n")
        assert lines[:3] == [b"ply", b"format binary_little_endian 1.0", b"element vertex 7"]
        body = encoded.partition(b"end_header\n")[2]
        assert len(body) == 7 * 62 * 4 and body == content[-len(body) :] or frame != "supersplat"


def test_the_first_statement_of_the_frame_counts_and_strange_ones_do_not(tmp_path: Path) -> None:
    write_ply(make(), tmp_path / "a.ply", "opencv", comments=["frame head"])
    assert torch.equal(read_ply(tmp_path / "a.ply").means, make().means)
    content = (
        (tmp_path / "a.ply")
        .read_bytes()
        .replace(b"frame opencv", b"frame galaxy", 1)
        .replace(b"frame head", b"frame disc")
    )
    (tmp_path / "a.ply").write_bytes(content)
    as_stored = read_ply(tmp_path / "a.ply", "supersplat").means
    assert torch.equal(read_ply(tmp_path / "a.ply").means, as_stored)


def test_the_comments_of_earlier_versions_state_the_frame(tmp_path: Path) -> None:
    facts = b"comment generator fastavatar 0.1.0\ncomment frame opencv\ncomment units metres\n"
    encoded = encode_ply(make(), "opencv").replace(b"comment frame opencv\n", b"")
    (tmp_path / "a.ply").write_bytes(encoded.replace(b"element", facts + b"element", 1))
    assert torch.equal(read_ply(tmp_path / "a.ply").means, make().means)


def header(count: int | str = 1, extra: str = "") -> bytes:
    names = [name for name in PROPERTIES if not name.startswith("f_rest")]
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {count}"]
    lines += [f"property float {name}" for name in names] + ([extra] if extra else []) + ["end_header"]
    return ("\n".join(lines) + "\n").encode()


ROW = np.zeros(17, "<f4").tobytes()
NAN = np.full(17, np.nan, "<f4").tobytes()
BAD = {
    "empty": (b"", "it is no PLY file, or a damaged one ("),
    "text": (b"hello\n", "it is no PLY file, or a damaged one ("),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(99), "it is no PLY file, or a damaged one ("),
    "header only": (header(), "it is no PLY file, or a damaged one (element 'vertex'"),
    "half a header": (header()[:90], "it is no PLY file, or a damaged one (line "),
    "cut off": (header(3) + ROW * 2, "it is no PLY file, or a damaged one (element 'vertex'"),
    "more rows than any memory": (
        header(10**15) + ROW,
        "it is no PLY file, or a damaged one (element 'vertex'",
    ),
    "count is no number": (header("many") + ROW, "it is no PLY file, or a damaged one (line 3"),
    "no gaussians": (header(0), "it holds no Gaussians"),
    "no vertices": (
        b"ply\nformat ascii 1.0\nelement face 0\nproperty float x\nend_header\n",
        "it holds no Gaussians",
    ),
    "points without gaussians": (
        b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n1\n",
        "it has no y, z, f_dc_0, f_dc_1, f_dc_2, opacity, scale_0, scale_1, scale_2, rot_0, rot_1, "
        "rot_2, rot_3, so it holds no Gaussians in the 3DGS layout",
    ),
    "compressed without chunks": (
        b"ply\nformat ascii 1.0\nelement vertex 1\nproperty uint packed_position\nend_header\n1\n",
        "it is a compressed PLY without the bounds of all its chunks",
    ),
    "odd f_rest": (
        header(1, "property float f_rest_0") + ROW + ROW[:4],
        "it has 1 f_rest properties; SH degrees 0 to 3 have 0, 9, 24 or 45",
    ),
    "not finite": (
        header() + NAN,
        "not one of its 1 Gaussians can be drawn: 1 with numbers that are not finite",
    ),
    "zeros": (header(2) + ROW * 2, "not one of its 2 Gaussians can be drawn: 2 filled with zeros"),
    "lists": (
        header(1, "property list uchar float f_rest_0") + ROW,
        "it is no PLY file, or a damaged one (element 'vertex'",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_damaged_file_is_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    content, reason = BAD[kind]
    path = tmp_path / "a.ply"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_ply(path)
    said = str(caught.value)
    assert said.startswith(f"cannot read {path}: ") and reason in said and "\n" not in said


def test_missing_files_are_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*a\.ply: there is no such file; check the path$"):
        read_ply(tmp_path / "a.ply")
    with pytest.raises(InputError, match="is a directory$"):
        read_ply(tmp_path)


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.ply"
    write_ply(make(), path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="there are no Gaussians"):
        write_ply(make(count=1).subset(torch.tensor([], dtype=torch.long)), path)
    broken = make()
    broken.means[3, 1] = torch.nan
    with pytest.raises(InputError, match="means of Gaussian 3 is not finite"):
        write_ply(broken, path)
    with pytest.raises(UsageError, match="there is no frame 'world'; choose one of supersplat, opencv, head"):
        write_ply(make(), path, "world")  # type: ignore[arg-type]
    assert path.read_bytes() == before
    with pytest.raises(FastAvatarError, match=r"cannot write .*/a\.ply/b\.ply: not a directory; choose"):
        write_ply(make(), path / "b.ply")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FastAvatarError, match="folder is a folder, which is never replaced"):
        write_ply(make(), tmp_path / "folder")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.ply", "folder"]


def write_columns(path: Path, columns: dict[str, Tensor], kinds: dict[str, str] | None = None) -> None:
    """A PLY of another program: these columns of floats, or of the kind named."""
    rows = np.zeros(len(columns["x"]), [(name, (kinds or {}).get(name, "f4")) for name in columns])
    for name, values in columns.items():
        rows[name] = values
    plyfile.PlyData([plyfile.PlyElement.describe(rows, "vertex")]).write(path)


def columns_of(g: Gaussians) -> dict[str, Tensor]:
    columns = {axis: g.means[:, i] for i, axis in enumerate("xyz")}
    columns |= {f"f_dc_{i}": g.sh[:, 0, i] for i in range(3)} | {"opacity": g.opacity_logits}
    columns |= {f"scale_{i}": g.log_scales[:, i] for i in range(3)}
    return columns | {f"rot_{i}": g.quats_wxyz[:, i] for i in range(4)}


@pytest.mark.parametrize(("kind", "most"), [("u1", 255), ("u2", 65535), ("f4", 1)])
def test_colours_of_points_instead_of_harmonics(kind: str, most: int, tmp_path: Path) -> None:
    """As nerfstudio exports Gaussians with --ply-color-mode rgb."""
    g = make(degree=0)
    rgb = torch.tensor([0.0, 0.2, 0.4, 0.8, 1.0])[:, None] * torch.tensor([1.0, 0.5, 0.25])
    columns = {name: values for name, values in columns_of(g).items() if not name.startswith("f_dc")}
    colors = {name: (rgb[:, i] * most).round() if most > 1 else rgb[:, i] for i, name in enumerate(RGB)}
    write_columns(tmp_path / "a.ply", columns | colors, dict.fromkeys(RGB, kind))
    back = read_ply(tmp_path / "a.ply", "head")
    torch.testing.assert_close(decode_colors(back.sh[:, 0]), rgb, rtol=0, atol=0.51 / max(most, 100))
    assert torch.equal(back.opacity_logits, g.opacity_logits)


def test_discs_of_two_sizes_are_read_as_flat(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As 2D Gaussian Splatting writes them, whose normal is the third axis."""
    g = make(degree=0)
    columns = columns_of(g)
    del columns["scale_2"]
    write_columns(tmp_path / "a.ply", columns)
    back = read_ply(tmp_path / "a.ply", "head")
    assert torch.equal(back.log_scales[:, :2], g.log_scales[:, :2])
    assert (back.scales[:, 2] < 1e-8).all() and not caplog.records


def test_properties_that_change_the_picture_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    columns = columns_of(make(degree=0))
    unread = {"filter_3D": columns["x"], "beta": columns["x"]}
    known = {"nx": columns["x"], "red": columns["x"], "green": columns["x"], "blue": columns["x"]}
    write_columns(tmp_path / "a.ply", columns | known)
    read_ply(tmp_path / "a.ply")
    assert not caplog.records
    write_columns(tmp_path / "a.ply", columns | unread)
    read_ply(tmp_path / "a.ply")
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == (
        f"{tmp_path / 'a.ply'} may look different in other programs, as these properties are not read: "
        "filter_3D, beta"
    )
