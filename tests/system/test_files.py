import os
import socket
from pathlib import Path

import pytest

from fastavatar.errors import InputError
from fastavatar.system.files import opened, read_bytes, require_regular_file


def test_regular_files_and_links_to_them_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"four")
    (tmp_path / "b").symlink_to("a")
    assert require_regular_file(tmp_path / "b") == 4 and read_bytes(tmp_path / "b") == b"four"
    with opened(str(tmp_path / "a")) as file:
        assert file.read(2) == b"fo"


@pytest.mark.timeout(10)
def test_what_never_ends_is_refused_without_opening_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
    for name, reason in {
        "pipe": "it is a pipe, which may never end",
        "zero": "it is a device, which may never end",
        "socket": "it is a socket",
        ".": "is a directory$",
        "gone": "there is no such file; check the path$",
        "n" * 300: "file name too long$",
        "null\0": "the path holds a null character$",
    }.items():
        with pytest.raises(InputError, match=reason) as caught:
            read_bytes(tmp_path / name)
        assert str(caught.value).startswith("cannot read ") and "\n" not in str(caught.value)


def test_a_failure_inside_the_block_keeps_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(ValueError, match="^its own$"), opened(tmp_path / "a"):
        raise ValueError("its own")
