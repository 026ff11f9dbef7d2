import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastavatar.system.memory import memory_limit_bytes
from tests.portraits import ROOT


def printed_by(program: str, *arguments: str) -> str:
    """What a Python program of its own process prints."""
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_peak_memory_grows_with_what_is_held_and_does_not_shrink() -> None:
    """In a process of its own, which has not held much before."""
    program = (
        "import numpy as np; from fastavatar.system.memory import peak_memory_mb\n"
        "before = peak_memory_mb(); ballast = np.ones(int(before) * 125_000 + 5_000_000)\n"
        "after = peak_memory_mb(); del ballast; print(before, after, peak_memory_mb())"
    )
    before, after, last = map(float, printed_by(program).split())
    assert 10 < before < after - 30  # as much again, and 40 MB
    assert last > after - 5  # the kernel counts pages roughly


def test_what_the_parent_holds_is_not_counted() -> None:
    ballast = np.ones(40_000_000)  # 320 MB
    program = "from fastavatar.system.memory import peak_memory_mb; print(peak_memory_mb())"
    assert float(printed_by(program)) < 100 < ballast.nbytes / 1e6


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux has /proc")
def test_freed_arrays_go_back_to_the_system() -> None:
    """By default glibc keeps arrays as large as one that was freed before."""
    program = (
        "import sys; from pathlib import Path; from fastavatar.system import return_large_arrays\n"
        "import numpy as np\n"
        "if sys.argv[1] == 'returned': return_large_arrays()\n"
        "np.ones(2_000_000)\n"
        "kept = [np.ones(700_000) for _ in range(20)]; end = np.ones(1000); del kept[:-1]\n"
        "print(int(Path('/proc/self/statm').read_text().split()[1]) * 4096 / 1e6)"
    )
    held = {}
    for how in ("kept", "returned"):
        held[how] = float(printed_by(program, how))
    assert held["returned"] < held["kept"] - 30


def test_the_smaller_limit_counts() -> None:
    assert memory_limit_bytes() is None
    program = (
        "import resource; from fastavatar.system.memory import memory_limit_bytes\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (3 << 30, 3 << 30)); print(memory_limit_bytes() >> 30)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30)); print(memory_limit_bytes() >> 30)"
    )
    assert printed_by(program) == "3\n2\n"
