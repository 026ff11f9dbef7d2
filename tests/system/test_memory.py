import subprocess
import sys

import numpy as np

from fastavatar.system.memory import peak_memory_mb
from tests.portraits import ROOT


def test_peak_memory_grows_with_what_is_held_and_does_not_shrink() -> None:
    before = peak_memory_mb()
    assert 10 < before < 1e6
    ballast = np.ones(int(before) * 125_000 + 5_000_000)  # as much again, and 40 MB
    after = peak_memory_mb()
    assert after > before + 30
    del ballast
    assert peak_memory_mb() > after - 5  # the kernel counts pages roughly


def test_what_the_parent_holds_is_not_counted() -> None:
    ballast = np.ones(40_000_000)  # 320 MB
    program = "from fastavatar.system.memory import peak_memory_mb; print(peak_memory_mb())"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 100 < ballast.nbytes / 1e6
