import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fastavatar.errors import FastAvatarError, OverwriteError
from fastavatar.system.atomic import abandoned, partial, replacing


def write_and_die(path: Path) -> None:
    """Leave a half-written hidden file, as a run that is killed does."""
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from fastavatar.system.atomic import replacing\n"
        "with replacing(Path(sys.argv[1])) as hidden:\n"
        "    hidden.write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -signal.SIGKILL


def test_a_file_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with replacing(path) as hidden:
        hidden.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new" and os.listdir(tmp_path) == ["a.bin"]


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except OSError:
        pytest.skip("only root makes devices")


def listener(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))  # its name may have 108 bytes


@pytest.mark.parametrize("make", [pipe, device, listener, Path.mkdir])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("linked", [False, True])
def test_only_files_are_replaced(
    make: Callable[[Path], None], late: bool, linked: bool, tmp_path: Path
) -> None:
    place = path = tmp_path / "a.bin"
    if linked:
        place = tmp_path / "b"
        path.symlink_to(place)
    if not late:
        make(place)
    with pytest.raises(OverwriteError, match="never replaced"), replacing(path) as hidden:
        assert late, "it is refused before the work"
        hidden.write_bytes(b"new")
        make(place)
    assert not place.is_file() and place.exists() and path.is_symlink() == linked
    assert len(os.listdir(tmp_path)) == 1 + linked


def test_folders_are_made_and_go_again_where_the_work_fails(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.bin"
    with pytest.raises(ValueError, match="why"), replacing(path):
        raise ValueError("why")
    assert not os.listdir(tmp_path)
    with replacing(path) as hidden:
        hidden.write_bytes(b"new")
    assert path.read_bytes() == b"new"


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="why"), replacing(path) as hidden:
        hidden.write_bytes(b"half")
        raise ValueError("why")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["a.bin"]


def test_leftovers_of_a_killed_run_are_removed_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_and_die(path)
    write_and_die(tmp_path / "b.bin")
    assert len(os.listdir(tmp_path)) == 2
    with replacing(path) as hidden:
        hidden.write_bytes(b"new")
    left = sorted(os.listdir(tmp_path))
    assert len(left) == 2 and left[0].startswith(".b.bin.") and left[1] == "a.bin"


def test_hidden_files_of_a_live_run_and_of_others_stay(tmp_path: Path) -> None:
    others = [
        ".a.bin.mine",
        ".a.bin.0123456g.partial",
        ".a.bin.more.01234567.partial",
        "a.bin.01234567.partial",
    ]
    for name in others:
        (tmp_path / name).write_text("mine")
    (tmp_path / ".a.bin.01234567.partial").mkdir()
    (tmp_path / ".a.bin.89abcdef.partial").symlink_to(tmp_path / others[0])
    os.mkfifo(tmp_path / ".a.bin.fedcba98.partial")
    with replacing(tmp_path / "a.bin") as first, replacing(tmp_path / "a.bin") as second:
        first.write_bytes(b"1")
        second.write_bytes(b"2")
    assert (tmp_path / "a.bin").read_bytes() == b"1", "the first one ended last"
    assert all((tmp_path / name).read_text() == "mine" for name in others)
    assert len(os.listdir(tmp_path)) == len(others) + 4


def test_without_overwrite_a_file_that_appears_late_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with replacing(path, overwrite=False) as hidden:
        hidden.write_bytes(b"first")
    for late in (path, tmp_path / "link", tmp_path / "folder"):
        with (
            pytest.raises(OverwriteError, match="exists already|never replaced"),
            replacing(late, overwrite=False) as hidden,
        ):
            hidden.write_bytes(b"second")
            if late.name == "link":
                late.symlink_to("gone")
            elif late.name == "folder":
                late.mkdir()
    assert path.read_bytes() == b"first" and sorted(os.listdir(tmp_path)) == ["a.bin", "folder", "link"]


@pytest.mark.parametrize("name", ["n" * 255, "é" * 127, "n" * 250 + ".png"])
def test_the_longest_names_can_be_written(name: str, tmp_path: Path) -> None:
    write_and_die(tmp_path / name)
    with replacing(tmp_path / name) as hidden:
        hidden.write_bytes(b"new")
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["file/a.bin", "n" * 300])
def test_a_place_that_refuses_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FastAvatarError, match="^cannot write .*: .*; choose another place"):
        with replacing(tmp_path / name) as hidden:
            hidden.write_bytes(b"new")
    assert os.listdir(tmp_path) == ["file"]


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    with replacing(tmp_path / "a.bin") as hidden:
        hidden.write_bytes(b"new")
    assert (tmp_path / "a.bin").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_hidden_file_that_is_removed_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run may treat the file as abandoned in that moment."""
    opened, left = os.open, [2]

    def removed_first(path: Path, *arguments: int) -> int:
        if os.path.exists(path):  # it has just been created, and is opened to be locked
            left[0] -= 1
            if left[0] >= 0:
                os.unlink(path)
        return opened(path, *arguments)

    monkeypatch.setattr("fastavatar.system.locks.os.open", removed_first)
    with partial(tmp_path, "a.bin") as hidden:
        hidden.write_bytes(b"new")
        assert left[0] == -1 and not list(abandoned(tmp_path, "a.bin"))
