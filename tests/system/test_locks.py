import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fastavatar.system.locks import Flock, Lock, LockBeside
from tests.portraits import ROOT


def on_itself(path: Path) -> Lock:
    return Flock(path, follow_links=False)


def beside(path: Path) -> Lock:
    return LockBeside(path, path.with_name(f"{path.name}.lock"))


MAKERS: dict[str, Callable[[Path], Lock]] = {"on itself": on_itself, "beside": beside}


@pytest.fixture(params=list(MAKERS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make(kind: str) -> Callable[[Path], Lock]:
    return MAKERS[kind]


@pytest.mark.parametrize("is_folder", [False, True])
def test_one_holds_it_at_a_time(make: Callable[[Path], Lock], is_folder: bool, tmp_path: Path) -> None:
    path = tmp_path / "a"
    if is_folder:
        path.mkdir()
    else:
        path.touch()
    first, second = make(path), make(path)
    assert first.take() is True and second.take() is False
    first.release()
    assert second.take() is True
    second.release()
    assert os.listdir(tmp_path) == ["a"]


def test_the_lock_of_a_killed_process_is_free(
    make: Callable[[Path], Lock], kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "a"
    path.touch()
    program = (
        "import sys\nfrom pathlib import Path\nfrom tests.system.test_locks import MAKERS\n"
        "lock = MAKERS[sys.argv[1]](Path(sys.argv[2]))\nprint(lock.take(), flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, kind, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"True\n"
        lock = make(path)
        assert lock.take() is False
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert lock.take() is True
        lock.release()


def test_a_file_that_was_replaced_or_is_gone_is_not_the_locked_one(
    make: Callable[[Path], Lock], kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "a"
    path.touch()
    lock = make(path)
    assert lock.is_on(path)
    path.unlink()
    assert not lock.is_on(path)
    path.write_text("another")
    assert lock.is_on(path) == (kind == "beside")
    lock.release()
    path.unlink()
    with pytest.raises(FileNotFoundError):
        make(path)
