import re
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fastavatar.errors import WeightsError
from fastavatar.weights.archive import unpack
from tests.weights.limits import file_size_limit


def archive(folder: Path, entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    path = folder / "a.zip"
    with zipfile.ZipFile(path, "w", method) as out:
        for name, content in entries.items():
            out.writestr(name, content)
    return path


def only(*names: str) -> Callable[[str], bool]:
    return names.__contains__


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_wanted_entries_are_taken_wherever_they_lie(tmp_path: Path, out: Path) -> None:
    path = archive(tmp_path, {"deep/down/a.pth": b"a", "b.pth": b"b", "other.txt": b"no"})
    assert set(unpack(path, out, only("a.pth", "b.pth", "c.pth"))) == {out / "a.pth", out / "b.pth"}
    assert {entry.name: entry.read_bytes() for entry in out.iterdir()} == {"a.pth": b"a", "b.pth": b"b"}


@pytest.mark.parametrize(
    "name", ["../a.pth", "x/../../a.pth", "/etc/a.pth", "C:\\a.pth", "..\\a.pth", "\\\\host\\share\\a.pth"]
)
def test_entries_that_climb_out_are_refused(tmp_path: Path, out: Path, name: str) -> None:
    path = archive(tmp_path, {"good.pth": b"g", name: b"evil"})
    with pytest.raises(WeightsError, match="leads out of the folder"):
        unpack(path, out, only("good.pth", "a.pth"))
    assert not any(out.iterdir())


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_special_files_are_refused(tmp_path: Path, out: Path, kind: int) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        info = zipfile.ZipInfo("a.pth")
        info.external_attr = (kind | 0o777) << 16
        file.writestr(info, "/etc/passwd")
    with pytest.raises(WeightsError, match="link or a special file"):
        unpack(path, out, only("a.pth"))


def test_an_archive_that_would_fill_the_disk_is_refused(tmp_path: Path, out: Path) -> None:
    path = archive(tmp_path, {"a.pth": bytes(3 << 20)})
    with pytest.raises(WeightsError, match="more than 2 MB"):
        unpack(path, out, only("a.pth"), most_bytes=2 << 20)


def test_an_entry_larger_than_it_says_is_refused(tmp_path: Path, out: Path) -> None:
    path = archive(tmp_path, {"a.pth": bytes(1 << 20)})
    raw = path.read_bytes()
    path.write_bytes(raw.replace((1 << 20).to_bytes(4, "little"), (100).to_bytes(4, "little")))
    with pytest.raises(WeightsError, match="damaged|larger"):
        unpack(path, out, only("a.pth"))


DAMAGES: dict[str, Callable[[bytearray], bytes]] = {
    "no zip": lambda raw: b"hello",
    "empty": lambda raw: b"",
    "cut": lambda raw: bytes(raw[:-30]),
    "flipped byte in the middle": lambda raw: bytes(raw[:900] + bytes([raw[900] ^ 255]) + raw[901:]),
    "several disks": lambda raw: bytes(raw[:-22] + b"PK\x06\x07" + struct.pack("<LQL", 0, 0, 2) + raw[-22:]),
    "unknown compression": lambda raw: re.sub(
        rb"(PK\x01\x02.{6})..", rb"\g<1>\143\000", raw, flags=re.DOTALL
    ),
    "directory beyond the end": lambda raw: bytes(raw[:-6] + b"\xff\xff\xff\x7f" + raw[-2:]),
}


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_archive_is_reported_in_one_line(
    tmp_path: Path, out: Path, method: int, damage: str
) -> None:
    content = np.random.default_rng(0).integers(0, 256, 5000, np.uint8).tobytes()
    path = archive(tmp_path, {"a.pth": b"first", "b.pth": content}, method)
    path.write_bytes(DAMAGES[damage](bytearray(path.read_bytes())))
    with pytest.raises(WeightsError, match="damaged") as caught:
        unpack(path, out, only("a.pth", "b.pth"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_no_damaged_byte_escapes_as_another_error(tmp_path: Path, method: int) -> None:
    rng = np.random.default_rng(method)
    raw = archive(tmp_path, {"a.pth": rng.bytes(300), "b.pth": bytes(2000)}, method).read_bytes()
    refused = 0
    for attempt in range(400):
        changed = bytearray(raw)
        for place in rng.integers(0, len(raw), rng.integers(1, 4)):
            changed[place] = rng.integers(256)
        path = tmp_path / "damaged.zip"
        path.write_bytes(changed[: rng.integers(len(raw))] if attempt % 4 == 0 else changed)
        out = tmp_path / f"out{attempt}"
        out.mkdir()
        try:
            unpack(path, out, only("a.pth", "b.pth"), most_bytes=1 << 20)
        except WeightsError:
            refused += 1
    assert refused > 200


def test_a_full_disk_is_reported(tmp_path: Path, out: Path) -> None:
    path = archive(tmp_path, {"a.pth": bytes(3 << 20)})
    with file_size_limit(1 << 20), pytest.raises(WeightsError, match="cannot unpack .*make room"):
        unpack(path, out, only("a.pth"))
