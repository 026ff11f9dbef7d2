import io
import random
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fastavatar.errors import InputError
from fastavatar.system.arrays import read_npy, read_npz


def npy(header: str | None = None, array: object = None, version: bytes = b"\1\0") -> bytes:
    """The bytes of a .npy file, or those of a header of one's own before 24 zeros."""
    if header is None:
        buffer = io.BytesIO()
        np.save(buffer, np.asarray(array))
        return buffer.getvalue()
    text = header.encode("latin-1") + b"\n"
    size = len(text).to_bytes(2 if version == b"\1\0" else 4, "little")
    return b"\x93NUMPY" + version + size + text + bytes(24)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
        np.float32(3),
        np.zeros((0, 3)),
        np.array("supersplat"),
        np.arange(4, dtype=">f8"),
    ],
)
def test_arrays_come_back_as_numpy_saved_them(array: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", other=np.zeros(3), mine=array)
    np.savez_compressed(tmp_path / "b.npz", mine=array)
    found = [read_npy(tmp_path / "a.npy")]
    found += [read_npz(tmp_path / name, ["mine", "missing"])["mine"] for name in ("a.npz", "b.npz")]
    for back in found:
        assert back.dtype == array.dtype and back.shape == array.shape and np.array_equal(back, array)
    assert list(read_npz(tmp_path / "a.npz", ["missing"])) == []


HEADERS = {
    "beyond 64 bits": "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616,)}",
    "more than any memory": "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}",
    "negative twice": "{'descr': '<f4', 'fortran_order': False, 'shape': (-2, -3)}",
    "not closed": "{'descr': '<f4', 'fortran_order': False, 'shape': (",
    "not closed, with a text": "{'descr': '<f4', 'fortran_order': '",
    "brackets": "(" * 9000,
    "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (3,)}",
    "texts without letters": "{'descr': '<U0', 'fortran_order': False, 'shape': (1000000000000,)}",
    "fields": "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,)}",
    "complex": "{'descr': '<c8', 'fortran_order': False, 'shape': (3,)}",
    "no type": "{'descr': 'nonsense', 'fortran_order': False, 'shape': (3,)}",
    "a word for a shape": "{'descr': '<f4', 'fortran_order': False, 'shape': 'abc'}",
    "code": "__import__('os').system('true')",
    "empty": "",
}


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("version", [b"\1\0", b"\2\0", b"\3\0", b"\7\7"])
def test_headers_that_lie_are_one_line(
    name: str, version: bytes, tmp_path: Path, peak_bytes: Callable[[], int]
) -> None:
    content = npy(HEADERS[name], version=version)
    (tmp_path / "a.npy").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("mine.npy", content)
    for read in (lambda: read_npy(tmp_path / "a.npy"), lambda: read_npz(tmp_path / "a.npz", ["mine"])):
        with pytest.raises(InputError, match=r"it is no such \.np[yz] file, or a damaged one") as caught:
            read()
        assert "\n" not in str(caught.value) and len(str(caught.value)) < len(str(tmp_path)) + 300
    assert peak_bytes() < 30e6


def write_bomb(path: Path, method: int) -> None:
    """An archive of three numbers and an extra array of a hundred million zeros."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("mine.npy", npy(array=np.arange(3.0)), zipfile.ZIP_STORED)
        with archive.open("extra.npy", "w") as member:
            member.write(npy(array=np.zeros(0, np.uint8)))
            for _ in range(100):
                member.write(bytes(1_000_000))


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_small_archive_does_not_become_large(
    method: int, tmp_path: Path, peak_bytes: Callable[[], int]
) -> None:
    write_bomb(tmp_path / "a.npz", method)
    tracemalloc.reset_peak()  # what made the archive does not count
    assert read_npz(tmp_path / "a.npz", ["mine"])["mine"].tolist() == [0, 1, 2]
    with pytest.raises(InputError, match=r"would expand to 100,000,280\)"):
        read_npz(tmp_path / "a.npz", ["mine", "extra"])
    assert peak_bytes() < 30e6


def test_archives_damaged_at_any_byte_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mine.npy", npy(array=np.random.default_rng(0).normal(size=(20, 3))))
        archive.writestr("lzma.npy", npy(array=np.arange(9.0)), zipfile.ZIP_LZMA)
    good = path.read_bytes()
    roll, refused = random.Random(1), 0
    for _ in range(1500):
        damaged = bytearray(good)
        for _ in range(roll.randint(1, 3)):
            damaged[roll.randrange(len(good))] = roll.randrange(256)
        path.write_bytes(damaged[: roll.choice([len(good), roll.randrange(len(good))])])
        try:
            read_npz(path, ["mine", "lzma"])
        except InputError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 1000


def test_encrypted_and_unknown_methods_are_one_line(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mine.npy", npy(array=np.arange(3.0)))
    good = buffer.getvalue()
    central = good.rindex(b"PK\1\2")
    for place, value, said in ((8, 1, "encrypted"), (10, 99, "packed by method 99")):
        damaged = bytearray(good)
        damaged[central + place] = damaged[place - 2] = value
        (tmp_path / "a.npz").write_bytes(damaged)
        with pytest.raises(InputError, match=said):
            read_npz(tmp_path / "a.npz", ["mine"])
