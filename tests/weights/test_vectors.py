import os
from pathlib import Path

import numpy as np
import pytest

from fastavatar.errors import InputError
from fastavatar.weights.vectors import read_vector


@pytest.mark.parametrize("shape", [(8,), (1, 8)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_vectors_are_read_in_both_published_shapes(
    tmp_path: Path,
    shape: tuple[int, ...],
    dtype: type[np.number[object]],  # type: ignore[type-var]
) -> None:
    np.save(tmp_path / "v.npy", np.arange(8, dtype=dtype).reshape(shape))
    found = read_vector(tmp_path / "v.npy", 8, "W vector")
    assert found.dtype == np.float32 and found.tolist() == list(range(8))


@pytest.mark.parametrize(
    "values", [np.zeros(7), np.zeros((8, 1)), np.zeros((2, 4)), np.full(8, np.nan), np.array(["a"] * 8)]
)
def test_other_arrays_are_refused(tmp_path: Path, values: np.ndarray) -> None:
    np.save(tmp_path / "v.npy", values)
    with pytest.raises(InputError, match="must hold a W vector"):
        read_vector(tmp_path / "v.npy", 8, "W vector")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x93NUMPY\x01\x00"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "v.npy").write_bytes(content)
    with pytest.raises(InputError, match="cannot read the W vector"):
        read_vector(tmp_path / "v.npy", 8, "W vector")


def test_a_missing_file_and_a_folder_are_reported(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.npy"):
        with pytest.raises(InputError, match="cannot read the W vector"):
            read_vector(path, 8, "W vector")


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.array([{}] * 8, dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="it holds object, which are not numbers"):
        read_vector(tmp_path / "v.npy", 8, "W vector")


def header(text: str, version: bytes = b"\x01\x00") -> bytes:
    body = text.encode()
    return b"\x93NUMPY" + version + len(body).to_bytes(2, "little") + body


HEADERS = {
    "2 to the 64": "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616,), }",
    "a trillion": "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }",
    "negative": "{'descr': '<f4', 'fortran_order': False, 'shape': (-8,), }",
    "unclosed": "{'descr': '<f4', 'fortran_order': False, 'shape': (8,), ",
    "unclosed string": "{'descr': '<f4",
    "brackets": "(" * 5000,
    "deep": "{'descr': '<f4', 'fortran_order': False, 'shape': " + "(" * 150 + "8" + ",)" * 150 + "}",
    "no dictionary": "8",
    "other keys": "{'a': 1}",
    "a list": "[1, 2]",
    "no type": "{'descr': 'no such', 'fortran_order': False, 'shape': (8,), }",
    "a call": "{'descr': print('x'), 'fortran_order': False, 'shape': (8,), }",
    "shape of text": "{'descr': '<f4', 'fortran_order': False, 'shape': ('8',), }",
    "huge items": "{'descr': 'V1000000000', 'fortran_order': False, 'shape': (8,), }",
    "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (8,), }",
    "no numbers behind it": "{'descr': '<f4', 'fortran_order': False, 'shape': (8,), }",
    "nul": "{'descr': '<f4', \0'shape': (8,)}",
    "long": "{'descr': '<f4', 'fortran_order': False, 'shape': (8,), }" + " " * 60000,
}


@pytest.mark.parametrize("case", HEADERS)
@pytest.mark.parametrize("version", [b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"])
def test_damaged_headers_are_reported_in_one_line(tmp_path: Path, case: str, version: bytes) -> None:
    (tmp_path / "v.npy").write_bytes(header(HEADERS[case], version))
    with pytest.raises(InputError, match=r"W vector") as caught:
        read_vector(tmp_path / "v.npy", 8, "W vector")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_no_damaged_byte_escapes_as_another_error(tmp_path: Path) -> None:
    path = tmp_path / "v.npy"
    np.save(path, np.arange(8, dtype=np.float32))
    raw, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for attempt in range(1000):
        changed = bytearray(raw)
        for place in rng.integers(0, len(raw), rng.integers(1, 4)):
            changed[place] = rng.integers(256)
        path.write_bytes(changed[: rng.integers(len(raw))] if attempt % 4 == 0 else changed)
        try:
            read_vector(path, 8, "W vector")
        except InputError:
            refused += 1
    assert refused > 300


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs Unix's devices")
def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.npy")
    for path in (tmp_path / "fifo.npy", Path("/dev/zero")):
        with pytest.raises(InputError, match="it is a (pipe|device)"):
            read_vector(path, 8, "W vector")


def test_numbers_beyond_float32_are_refused_without_a_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    np.save(tmp_path / "v.npy", np.full(8, 1e300))
    with pytest.raises(InputError, match="finite"):
        read_vector(tmp_path / "v.npy", 8, "W vector")
    assert not recwarn
