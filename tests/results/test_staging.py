"""Runs that are killed, that fail, or that meet in one folder."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from fastavatar.errors import FastAvatarError, OverwriteError
from fastavatar.results.folder import require_writable
from fastavatar.results.ownership import own_results
from fastavatar.results.staging import clear_staging, staged
from fastavatar.system.atomic import alone_in
from tests.results.avatars import make_avatar

KILLED = """
import os, signal, sys
from pathlib import Path
from fastavatar.results.staging import staged

folder, steps = Path(sys.argv[1]), int(sys.argv[2])

def counted(move):
    def step(*arguments, **more):
        global steps
        steps -= 1
        if steps < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        move(*arguments, **more)
    return step

os.rename, os.link, os.rmdir = counted(os.rename), counted(os.link), counted(os.rmdir)
with staged(folder, ["a.txt", "b.txt"]) as staging:
    for name in ("b.txt", "c.txt"):
        (staging / name).write_text("new " + name)
"""
OLD = {"a.txt": "old a", "b.txt": "old b", "mine.txt": "mine"}
NEW = {"b.txt": "new b.txt", "c.txt": "new c.txt", "mine.txt": "mine"}


def texts(folder: Path) -> dict[str, str]:
    """Every file below `folder`, hidden ones too."""
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def fill(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


@pytest.mark.parametrize("steps", range(9))
def test_a_kill_at_any_step_leaves_the_old_files_or_the_new_ones(steps: int, tmp_path: Path) -> None:
    """Two files move out, two move in, one rename commits that, then hidden folders are removed."""
    fill(tmp_path, OLD)
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(steps)], check=False)
    assert done.returncode == (-signal.SIGKILL if steps < 8 else 0)
    clear_staging(tmp_path)
    assert texts(tmp_path) == (OLD if steps < 5 else NEW)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_a_kill_in_a_new_folder_leaves_room_for_the_next_run(steps: int, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder), str(steps)], check=False)
    assert done.returncode == -signal.SIGKILL
    clear_staging(folder)
    expected = {} if steps < 3 else {"b.txt": "new b.txt", "c.txt": "new c.txt"}
    assert texts(folder) == expected and folder.exists() == bool(expected)


def test_the_next_run_clears_what_a_killed_one_left_and_writes_its_results(tmp_path: Path) -> None:
    """This also holds if the killed run had moved some of its files."""
    code = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from tests.results.avatars import make_avatar\n"
        "link, left = os.link, [2]\n"
        "def killed(*arguments, **more):\n"
        "    left[0] -= 1\n"
        "    if left[0] < 0:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    link(*arguments, **more)\n"
        "os.link = killed\n"
        f"make_avatar().save({str(tmp_path)!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len([name for name in os.listdir(tmp_path) if not name.startswith(".")]) == 2, "it was half-way"
    make_avatar(1).save(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["preview.png", "splats.ply", "summary.json", "w_vector.npy"]
    assert own_results(tmp_path) == set(os.listdir(tmp_path))


def test_the_hidden_folder_of_a_live_run_stays(tmp_path: Path) -> None:
    with staged(tmp_path) as staging:
        (staging / "splats.ply").write_text("new")
        clear_staging(tmp_path)
        require_writable(tmp_path)
        assert texts(staging) == {"splats.ply": "new"}
    assert texts(tmp_path) == {"splats.ply": "new"}


def test_a_hidden_folder_that_holds_more_than_results_stays(tmp_path: Path) -> None:
    left = tmp_path / ".results.0123abcd.partial"
    fill(left / "letters", {"mine.txt": "mine"})
    (tmp_path / ".results.mine.partial").mkdir()
    (tmp_path / ".results.89abcdef.partial").symlink_to(left)
    clear_staging(tmp_path)
    assert (left / "letters" / "mine.txt").read_text() == "mine"
    assert len(os.listdir(tmp_path)) == 3


def test_an_empty_folder_of_the_users_stays(tmp_path: Path) -> None:
    clear_staging(tmp_path)
    require_writable(tmp_path)
    assert tmp_path.is_dir()


def meet(folder: Path, overwrite: bool) -> list[int]:
    """Exit codes of three runs that write different results to one folder at the same time."""
    code = (
        "import sys\n"
        "from tests.results.avatars import make_avatar\n"
        "from fastavatar.errors import FastAvatarError\n"
        "from fastavatar.results.folder import require_writable\n"
        "from pathlib import Path\n"
        "avatar = make_avatar(int(sys.argv[2]))\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "try:\n"
        "    avatar.save(sys.argv[1], overwrite=sys.argv[3] == 'True')\n"
        "except FastAvatarError as error:\n"
        "    sys.exit(error.exit_code)\n"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder), str(seed), str(overwrite)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for seed in range(3)
    ]
    for run in runs:
        assert run.stdout is not None and run.stdout.readline() == b"ready\n"
    for run in runs:
        assert run.stdin is not None
        run.stdin.write(b"\n")
        run.stdin.flush()
    return [run.wait(timeout=120) for run in runs]


def test_of_runs_that_meet_in_a_new_folder_one_succeeds_and_the_others_say_so(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "results"
    assert sorted(meet(folder, overwrite=False)) == [0, 7, 7]
    assert own_results(folder) == set(os.listdir(folder)) and len(os.listdir(folder)) == 4


def test_runs_that_meet_and_may_overwrite_leave_the_whole_results_of_one(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    assert meet(folder, overwrite=True) == [0, 0, 0]
    assert own_results(folder) == set(os.listdir(folder)) and len(os.listdir(folder)) == 4


def test_files_move_only_while_no_other_run_moves_its_own(tmp_path: Path) -> None:
    def write() -> None:
        with staged(tmp_path) as staging:
            fill(staging, {"a.txt": "new"})
            written.set()

    written = Event()
    with ThreadPoolExecutor(1) as pool:
        with alone_in(tmp_path):
            run = pool.submit(write)
            assert written.wait(10)
            time.sleep(0.3)
            assert not run.done() and not (tmp_path / "a.txt").exists()
        run.result(10)
    assert texts(tmp_path) == {"a.txt": "new"}


def test_a_folder_that_another_run_keeps_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastavatar.system.atomic._WAIT_S", 0.1)
    with alone_in(tmp_path):
        with pytest.raises(OverwriteError, match="another run is writing to .*: wait for it"):
            with staged(tmp_path) as staging:
                fill(staging, {"a.txt": "new"})
    assert not list(tmp_path.iterdir())


def test_what_appears_while_a_run_works_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(OverwriteError, match="holds a.txt already"), staged(tmp_path) as staging:
        (staging / "a.txt").write_text("new")
        (tmp_path / "a.txt").write_text("mine")
    assert texts(tmp_path) == {"a.txt": "mine"}


def test_threads_of_one_process_take_turns(tmp_path: Path) -> None:
    def write(text: str) -> None:
        with staged(tmp_path, ["a.txt", "b.txt"]) as staging:
            fill(staging, {"a.txt": text, "b.txt": text})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, map(str, range(20))))
    left = texts(tmp_path)
    assert set(left) == {"a.txt", "b.txt"} and left["a.txt"] == left["b.txt"]


def test_a_file_system_without_hard_links_gets_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object, **more: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    fill(tmp_path, OLD)
    with staged(tmp_path, ["a.txt", "b.txt"]) as staging:
        fill(staging, {name: NEW[name] for name in ("b.txt", "c.txt")})
    assert texts(tmp_path) == NEW
    with pytest.raises(OverwriteError), staged(tmp_path) as staging:
        fill(staging, {"b.txt": "newer"})
    assert texts(tmp_path) == NEW


def test_a_full_disk_is_noticed_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = os.statvfs(tmp_path)
    blocks = 1_500_000 // room.f_frsize
    fields = list(room)
    fields[3] = fields[4] = blocks
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result(fields))
    with pytest.raises(FastAvatarError, match=r"1\.5 MB are free on its disk, .* take at least 3\.0 MB"):
        require_writable(tmp_path / "results")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("make", [lambda path: path.mkdir(mode=0o500), lambda path: path.symlink_to("gone")])
def test_a_place_that_cannot_take_results_is_noticed_before_the_work(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    make(tmp_path / "place")
    if os.geteuid() == 0 and (tmp_path / "place").is_dir():
        pytest.skip("root may write everywhere")
    with pytest.raises(FastAvatarError, match="cannot write to .*(permission denied|is a file)"):
        require_writable(tmp_path / "place" / "results")


def test_a_name_that_is_too_long_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FastAvatarError, match="^cannot write .*: file name too long; choose another place"):
        require_writable(tmp_path / ("n" * 300))
