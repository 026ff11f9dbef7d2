import stat
import zipfile
from pathlib import Path

import pytest

from fastavatar.errors import WeightsError
from fastavatar.weights.archive import unpack


def archive(folder: Path, entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    path = folder / "a.zip"
    with zipfile.ZipFile(path, "w", method) as out:
        for name, content in entries.items():
            out.writestr(name, content)
    return path


def into(folder: Path, *names: str) -> dict[str, Path]:
    return {name: folder / name for name in names}


def test_wanted_entries_are_taken_wherever_they_lie(tmp_path: Path) -> None:
    path = archive(tmp_path, {"deep/down/a.pth": b"a", "b.pth": b"b", "other.txt": b"no"})
    out = tmp_path / "out"
    assert set(unpack(path, into(out, "a.pth", "b.pth", "c.pth").get)) == {out / "a.pth", out / "b.pth"}
    assert {entry.name: entry.read_bytes() for entry in out.iterdir()} == {"a.pth": b"a", "b.pth": b"b"}


@pytest.mark.parametrize(
    "name", ["../a.pth", "x/../../a.pth", "/etc/a.pth", "C:\\a.pth", "..\\a.pth", "\\\\host\\share\\a.pth"]
)
def test_entries_that_climb_out_are_refused(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path, {"good.pth": b"g", name: b"evil"})
    with pytest.raises(WeightsError, match="leads out of the folder"):
        unpack(path, into(tmp_path / "out", "good.pth", "a.pth").get)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_special_files_are_refused(tmp_path: Path, kind: int) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as out:
        info = zipfile.ZipInfo("a.pth")
        info.external_attr = (kind | 0o777) << 16
        out.writestr(info, "/etc/passwd")
    with pytest.raises(WeightsError, match="link or a special file"):
        unpack(path, into(tmp_path, "a.pth").get)


def test_an_archive_that_would_fill_the_disk_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, {"a.pth": bytes(3 << 20)})
    with pytest.raises(WeightsError, match="more than 2 MB"):
        unpack(path, into(tmp_path, "a.pth").get, most_bytes=2 << 20)


def test_an_entry_larger_than_it_says_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, {"a.pth": bytes(1 << 20)})
    raw = path.read_bytes()
    path.write_bytes(raw.replace((1 << 20).to_bytes(4, "little"), (100).to_bytes(4, "little")))
    with pytest.raises(WeightsError, match="damaged|larger"):
        unpack(path, into(tmp_path, "a.pth").get)
    assert not (tmp_path / "a.pth").exists()


@pytest.mark.parametrize("damage", ["no zip", "cut", "flipped byte"])
def test_a_damaged_archive_leaves_what_was_there(tmp_path: Path, damage: str) -> None:
    path = archive(tmp_path, {"a.pth": b"first", "b.pth": b"second" * 1000}, zipfile.ZIP_STORED)
    raw = bytearray(path.read_bytes())
    if damage == "flipped byte":
        raw[raw.index(b"secondsecond")] ^= 1
    path.write_bytes({"no zip": b"hello", "cut": bytes(raw[:-30])}.get(damage, bytes(raw)))
    (tmp_path / "a.pth").write_bytes(b"old")
    with pytest.raises(WeightsError, match="damaged"):
        unpack(path, into(tmp_path, "a.pth", "b.pth").get)
    assert (tmp_path / "a.pth").read_bytes() == b"old"
    assert {entry.name for entry in tmp_path.iterdir()} == {"a.zip", "a.pth"}
