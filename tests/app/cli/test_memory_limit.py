"""Under a limit of address space a failed run ends with one line and exit code 6."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.portraits import PORTRAIT, ROOT

resource = pytest.importorskip("resource", reason="the system has no resource limits")


def limited(megabytes: int, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["sh", "-c", f'ulimit -v {megabytes * 1000}; exec "$@"', "sh", sys.executable, *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("megabytes", [120, 300, 800, 1200])
def test_a_limit_too_small_to_load_libraries_is_reported(megabytes: int, tmp_path: Path) -> None:
    arguments = ("predict", "--image", str(PORTRAIT), "--output_dir", str(tmp_path / "out"), "-q")
    done = limited(megabytes, "-m", "fastavatar", *arguments)
    assert done.returncode == 6
    assert done.stderr.startswith("error: out of memory: the limit is ") and done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


WAYS = {
    "os.abort()": 6,
    "os.kill(os.getpid(), signal.SIGSEGV)": 6,
    "os._exit(1)": 6,  # libgomp does this when it can start no thread
    "[].pop()": 6,
    "sys.exit(143)": 143,
    "0": 0,
    "4": 4,
}


@pytest.mark.parametrize("work", WAYS)
def test_a_crashed_child_is_distinguished_from_one_that_exits(work: str) -> None:
    program = (
        "import os, signal, sys\n"
        "from fastavatar.app.cli.memory_limit import within_limit\n"
        "def failed(message, code):\n    print(message)\n    return code\n"
        "def work():\n    os.write(2, b'noise of a library\\n')\n    return " + work + "\n"
        "sys.exit(within_limit(work, failed))"
    )
    done = limited(2000, "-c", program)
    assert done.returncode == WAYS[work]
    assert ("out of memory" in done.stdout + done.stderr) == (WAYS[work] == 6)
    crashed = work.startswith("os.")
    assert ("noise of a library" in done.stderr) != crashed, "a crash shows one line, a run what was said"


def test_a_limit_that_suffices_changes_nothing() -> None:
    done = limited(4000, "-m", "fastavatar", "--version")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("fastavatar, version")


def test_signals_reach_the_process_that_works() -> None:
    program = (
        "import os, signal, subprocess, sys, time\n"
        "from fastavatar.app.cli.memory_limit import within_limit\n"
        "signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(77))\n"
        "subprocess.Popen(['sh', '-c', f'sleep 1; kill -TERM {os.getpid()}'])\n"
        "sys.exit(within_limit(lambda: time.sleep(30) or 0, lambda message, code: code))"
    )
    assert limited(2000, "-c", program).returncode == 77
