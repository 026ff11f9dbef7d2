import os
from pathlib import Path

import pytest

from fastavatar.errors import WeightsError
from fastavatar.weights import manifest


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "a.pth", tmp_path / "b.pth"]
    for path in paths:
        path.write_bytes(path.name.encode())
    return paths


def test_the_first_use_records_and_later_uses_agree(files: list[Path]) -> None:
    first = manifest.verify(files)
    assert first == {path.name: manifest.sha256_of(path) for path in files}
    assert (files[0].parent / manifest.NAME).exists()
    assert manifest.verify(files) == manifest.verify(files, read_all=True) == first


def test_a_changed_file_is_refused(files: list[Path]) -> None:
    manifest.verify(files)
    files[1].write_bytes(b"other")
    with pytest.raises(WeightsError, match=r"b\.pth was changed"):
        manifest.verify(files)
    (files[0].parent / manifest.NAME).unlink()
    manifest.verify(files)


def test_reading_all_finds_a_change_that_kept_size_and_time(files: list[Path]) -> None:
    manifest.verify(files)
    status = files[0].stat()
    files[0].write_bytes(files[0].read_bytes()[::-1])
    os.utime(files[0], ns=(status.st_atime_ns, status.st_mtime_ns))
    manifest.verify(files)
    with pytest.raises(WeightsError, match="changed"):
        manifest.verify(files, read_all=True)


def test_a_touched_file_is_read_and_accepted(files: list[Path]) -> None:
    manifest.verify(files)
    os.utime(files[0], ns=(1, 1))
    manifest.verify(files)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"files": {"a.pth": 3}}', '{"files": {"a.pth": {}}}'])
def test_a_damaged_manifest_is_reported(files: list[Path], content: str) -> None:
    (files[0].parent / manifest.NAME).write_text(content)
    with pytest.raises(WeightsError, match="manifest.json is damaged"):
        manifest.verify(files)
