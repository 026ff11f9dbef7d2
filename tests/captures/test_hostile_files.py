"""Files of a capture that are damaged or made to do harm: each ends in one line."""

import io
import json
import os
import struct
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastavatar.captures import read_cameras, read_capture
from fastavatar.captures.surfaces import read_flame, read_mesh, read_points
from fastavatar.errors import FastAvatarError, InputError
from fastavatar.system import arrays
from tests.synthetic_capture import write_capture, write_colmap


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hostile")
    write_capture(path, mesh=True)
    (path / "transforms.json").rename(path / "good.json")
    return path


def refused(read: Callable[[], object]) -> str:
    """Read the capture and return its error, checked to be one printable line of bounded length."""
    with pytest.raises(InputError) as caught:
        read()
    message = str(caught.value)
    assert message.isprintable() and len(message) < 600
    return message


TEXTS = {
    "nested": (b'{"frames":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    "nested beside": (b'{"x":' + b'{"x":' * 100_000 + b"1" + b"}" * 100_001, "nested too deeply"),
    "latin-1": ('{"frames": "é"}'.encode("latin-1"), "codec can't decode"),
    "utf-16": ('{"frames": []}'.encode("utf-16"), "codec can't decode"),
    "list": (b"[1, 2]", "found a list of 2"),
    "null": (b"null", "found None"),
    "no frames": (b"{}", "no list 'frames'"),
    "frames of another type": (b'{"frames": {"0": {}}}', "no list 'frames'"),
    "frame of another type": (b'{"frames": [3]}', "frame 0 names no 'file_path'"),
    "digits": (b'{"frames": ' + b"1" * 10_000 + b"}", "cannot read"),
    "empty": (b"", "cannot read"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_files_that_are_no_transforms_json_are_refused(name: str, tmp_path: Path) -> None:
    text, said = TEXTS[name]
    (tmp_path / "transforms.json").write_bytes(text)
    assert said in refused(lambda: read_capture(tmp_path))
    assert said in refused(lambda: read_cameras(tmp_path))


def test_a_byte_order_mark_does_no_harm(folder: Path) -> None:
    path = folder / "marked.json"
    path.write_bytes(b"\xef\xbb\xbf" + (folder / "good.json").read_bytes())
    assert len(read_capture(path).views) == 5


FILE_PATHS = {
    "": "must be the name of a file, found ''",
    "a\0b": "control characters",
    "images/\x1b[31m.png": "control characters",
    "images/a\nb.png": "control characters",
    "a" * 5000: "too long",
    "a/" * 3000: "too long",
    "é" * 200: "too long",
    "\ud800.png": "not valid Unicode",
    "/dev/zero": "there is no file /dev/zero",
    "images": "there is no file",
    "/": "must be the name of a file, found '/'",
    "..": "there is no file",
}


@pytest.mark.parametrize("key", ["file_path", "mask_path"])
@pytest.mark.parametrize("name", FILE_PATHS)
def test_names_that_no_file_can_have_are_refused(folder: Path, key: str, name: str) -> None:
    if (key, name) == ("mask_path", ""):
        return  # the same as none
    content = json.loads((folder / "good.json").read_text())
    del content["frames"][2]["fg_mask_path"]
    content["frames"][2][key] = name
    path = folder / "names.json"
    path.write_text(json.dumps(content))
    message = refused(lambda: read_capture(path))
    assert FILE_PATHS[name] in message and "frame 2" in message


ANYTHING = st.one_of(
    st.sampled_from([None, True, -1, 0, 2**70, 10**400, 1e308, -1e308, 1e-300, math_nan := float("nan")]),
    st.sampled_from(["", "x", "..", "/", [], [[]], [1], {}, {"a": 1}, [[1, 2, 3, 4]] * 4, [["a"] * 4] * 4]),
    st.sampled_from([[[math_nan] * 4] * 4, [[10**400] * 4] * 4, [[[1] * 4] * 4] * 4, "OPENCV_FISHEYE"]),
)
KEYS = (
    *("file_path", "fg_mask_path", "mask_path", "fl_x", "fl_y", "cx", "cy", "w", "h", "transform_matrix"),
    *("camera_angle_x", "camera_angle_y", "camera_model", "k1", "k4", "p2", "timestep_index"),
    *("flame_param_path", "ply_file_path", "is_fisheye", "frames"),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(-1, 4), st.sampled_from(KEYS), ANYTHING), min_size=1, max_size=3))
def test_wrong_types_anywhere_are_an_error_or_harmless(
    folder: Path, changes: list[tuple[int, str, Any]]
) -> None:
    content = json.loads((folder / "good.json").read_text())
    frames = content["frames"]
    for number, key, value in changes:
        (content if number < 0 else frames[number])[key] = value
    path = folder / "fuzzed.json"
    path.write_text(json.dumps(content))
    for read in (lambda: [view.image for view in read_capture(path).views], lambda: read_cameras(path)):
        try:
            read()
        except FastAvatarError as error:
            assert str(error).isprintable() and len(str(error)) < 600


CAMERAS: dict[str, tuple[dict[str, Any], str]] = {
    "focal length beyond float32": ({"fl_x": 1e39}, "bad intrinsics"),
    "focal length of no lens": ({"fl_x": 1e-6}, "bad intrinsics"),
    "principal point": ({"cx": float("inf")}, "bad intrinsics"),
    "field of view": ({"fl_x": None, "camera_angle_x": 4.0}, "bad intrinsics"),
    "no field of view": ({"fl_x": None, "camera_angle_x": float("nan")}, "bad intrinsics"),
    "no size": ({"w": 0}, "sides of 1 to 16384"),
    "vast size": ({"w": 10**9}, "sides of 1 to 16384"),
    "broken size": ({"w": 44.5}, "must be whole numbers"),
    "infinite size": ({"w": float("inf")}, "must be whole numbers"),
    "boolean": ({"h": True}, "h must be a number, found True"),
    "text in the matrix": (
        {"transform_matrix": [["1"] * 4] * 4},
        "transform_matrix must be a number, found '1'",
    ),
    "three rows": ({"transform_matrix": [[1, 0, 0, 0]] * 3}, "must be 4×4"),
    "far beyond float32": (
        {"transform_matrix": [[1, 0, 0, 1e300], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]},
        "non-finite",
    ),
    "time step": ({"timestep_index": "3"}, "timestep_index must be a whole number, found '3'"),
    "model": ({"camera_model": "P" * 5000}, "unknown camera model"),
}


@pytest.mark.parametrize("name", CAMERAS)
def test_impossible_cameras_are_refused(folder: Path, name: str) -> None:
    change, said = CAMERAS[name]
    content = json.loads((folder / "good.json").read_text())
    content["frames"][1] |= change
    path = folder / "cameras.json"
    path.write_text(json.dumps(content))
    for read in (read_capture, read_cameras):
        message = refused(partial(read, path))
        assert said in message and "frame 1" in message


def _zip(path: Path, members: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _npy(array: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _header(shape: str) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".ljust(118).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


NPY = {
    "shape of 10^12": _header("(1000000000000, 3)"),
    "shape of 2^64": _header("(18446744073709551616, 3)"),
    "negative shape": _header("(-5, 3)"),
    "header that does not end": b"\x93NUMPY\x01\x00\xff\xff{'descr': (",
    "text": _npy(np.array(["a", "b"])),
    "objects": b"\x93NUMPY\x01\x00"
    + struct.pack("<H", 60)
    + b"{'descr': '|O', 'fortran_order': False, 'shape': (3,)}".ljust(60),
    "nothing": b"",
    "long double": _npy(np.zeros((3, 3), np.longdouble)),
    "complex": _npy(np.zeros((3, 3), complex)),
}


@pytest.mark.parametrize("name", NPY)
def test_unreadable_arrays_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mesh.npz"
    _zip(path, {"vertices.npy": NPY[name], "faces.npy": _npy(np.zeros((1, 3), np.int64))})
    assert "mesh.npz" in refused(lambda: read_mesh(path))
    assert "mesh.npz" in refused(lambda: read_flame(path))


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_damaged_archives_are_refused(tmp_path: Path, kind: int) -> None:
    path = tmp_path / "mesh.npz"
    rng = np.random.default_rng(0)
    good = {"vertices.npy": _npy(rng.normal(size=(50, 3))), "faces.npy": _npy(np.zeros((1, 3), np.int64))}
    _zip(path, good, kind)
    content = path.read_bytes()
    assert read_mesh(path) is not None
    for place in (70, 200, 600):
        path.write_bytes(content[:place] + b"\xff" * 40 + content[place + 40 :])
        refused(lambda: read_mesh(path))
    flags = bytearray(content)
    flags[6] |= 1  # says it is encrypted
    flags[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(flags))
    refused(lambda: read_mesh(path))


@pytest.mark.parametrize("kind", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_methods_that_numpy_does_not_write_are_refused(tmp_path: Path, kind: int) -> None:
    path = tmp_path / "mesh.npz"
    good = {"vertices.npy": _npy(np.zeros((3, 3))), "faces.npy": _npy(np.zeros((1, 3), np.int64))}
    _zip(path, good, kind)
    assert f"vertices is packed by method {kind}" in refused(lambda: read_mesh(path))


def test_an_archive_is_not_unpacked_beyond_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """20 MiB of zeros in 20 kB: not read beside a mesh, refused as FLAME parameters."""
    monkeypatch.setattr(arrays, "MOST_BYTES", 2**24)
    path = tmp_path / "mesh.npz"
    mesh = {"vertices": np.eye(3), "faces": np.array([[0, 1, 2]])}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in mesh.items():
            archive.writestr(f"{name}.npy", _npy(array))
        with archive.open("zeros.npy", "w") as member:
            for _ in range(20):
                member.write(bytes(2**20))
    assert read_mesh(path) is not None
    assert "would expand to 20,97" in refused(lambda: read_flame(path))


def test_other_byte_orders_are_read(tmp_path: Path) -> None:
    path = tmp_path / "flame.npz"
    np.savez(path, shape=np.arange(3, dtype=">f4"))
    assert read_flame(path)["shape"].tolist() == [0, 1, 2]


PLY = {
    "rows that are not there": "element junk 600000000\nproperty list uchar int a\nelement vertex 0",
    "rows beyond 64 bits": "element vertex 18446744073709551616\nproperty float x",
    "negative rows": "element vertex -3\nproperty float x",
    "no z": "element vertex 1\nproperty float x\nproperty float y",
    "list of x": "element vertex 1\nproperty list uchar float x\nproperty float y\nproperty float z",
    "no number": "element vertex many\nproperty float x",
}


@pytest.mark.parametrize("name", PLY)
def test_unreadable_points_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "points3d.ply"
    text = f"ply\nformat binary_little_endian 1.0\n{PLY[name]}\nend_header\n"
    path.write_bytes(text.encode() + bytes(300))
    assert "points3d.ply" in refused(lambda: read_points(path))


def _binary_model(folder: Path) -> Path:
    """A capture whose COLMAP model is binary, with rigs and frames, as pycolmap writes it."""
    pycolmap = pytest.importorskip("pycolmap", reason="pycolmap is not installed")
    write_capture(folder)
    write_colmap(folder)
    model = folder / "sparse" / "0"
    pycolmap.Reconstruction(model).write_binary(model)
    for text in model.glob("*.txt"):
        text.unlink()
    assert len(read_capture(folder, source="colmap").views) == 5
    return model


@pytest.mark.parametrize("binary", [False, True])
def test_a_colmap_name_in_another_encoding_is_told(tmp_path: Path, binary: bool) -> None:
    model = _binary_model(tmp_path)
    if not binary:
        write_colmap(tmp_path / "text")
        model = (tmp_path / "text" / "sparse" / "0").rename(model.parent / "1")
    path = model / ("images.bin" if binary else "images.txt")
    path.write_bytes(path.read_bytes().replace(b"00000_01.png", b"00000_\xe9\xe9.png"))
    assert "the name of an image is no UTF-8 text" in refused(lambda: read_capture(model))


@pytest.mark.parametrize("name", ["cameras", "images", "points3D", "rigs", "frames"])
def test_colmap_models_that_count_more_than_they_hold(tmp_path: Path, name: str) -> None:
    """A reader that trusts such counts loops for hours and takes all memory."""
    model = _binary_model(tmp_path)
    path = model / f"{name}.bin"
    content = path.read_bytes()
    for damaged in (b"", content[:8], content[: len(content) - 5], b"\xff" * 7 + b"\0" + content[8:]):
        path.write_bytes(damaged)
        message = refused(lambda: read_capture(tmp_path, source="colmap"))
        assert f"{name}.bin ends too early" in message


def test_colmap_files_with_bits_turned(tmp_path: Path) -> None:
    model = _binary_model(tmp_path)
    rng = np.random.default_rng(3)
    for path in sorted(model.glob("*.bin")):
        content = path.read_bytes()
        for place in rng.integers(0, min(len(content), 400), 12):
            damaged = bytearray(content)
            damaged[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(bytes(damaged))
            try:
                read_capture(tmp_path, source="colmap")
            except InputError as error:
                assert str(error).isprintable() and len(str(error)) < 600
        path.write_bytes(content)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_folders_that_may_not_be_read_are_named() -> None:
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        top.chmod(0o755)
        captures = [top / kind for kind in ("folder", "masks", "images")]
        for capture in captures:
            capture.mkdir()
            write_capture(capture)
        content = json.loads((captures[1] / "transforms.json").read_text())
        for frame in content["frames"]:
            del frame["fg_mask_path"]
        (captures[1] / "transforms.json").write_text(json.dumps(content))
        (captures[1] / "masks").mkdir()
        closed = [captures[0], captures[1] / "masks", captures[2] / "images"]
        for place in closed:
            place.chmod(0)
        os.seteuid(65534)
        try:
            messages = [refused(partial(read_capture, capture)) for capture in captures]
        finally:
            os.seteuid(0)
        for message, place in zip(messages, closed, strict=True):
            assert message.startswith("cannot read ") and str(place) in message
            assert "permission denied" in message
