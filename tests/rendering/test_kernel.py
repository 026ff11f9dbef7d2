import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fastavatar.rendering.cpu.kernel import kernel_folder

DRAW = """
import logging
import torch
import fastavatar as fa
from fastavatar.core import frontal_camera
logging.basicConfig(level=logging.INFO, format="%(message)s")
point = fa.Gaussians(*(torch.zeros(1, *shape) for shape in [(3,), (4,), (3,), (), (1, 3)]))
fa.render(point, frontal_camera(1.0, 16.0, 16, 16))
"""


def choose(monkeypatch: pytest.MonkeyPatch, temporary: Path, **environment: str) -> Path | None:
    """The folder a new process with this environment and temporary folder would choose."""
    for name in ("NUMBA_CACHE_DIR", "FASTAVATAR_CACHE", "CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    return kernel_folder.__wrapped__()


def test_the_second_process_does_not_compile_again(tmp_path: Path) -> None:
    environment = {**os.environ, "FASTAVATAR_CACHE": str(tmp_path)}
    environment.pop("NUMBA_CACHE_DIR", None)
    command = [sys.executable, "-c", DRAW]
    first, second = (
        subprocess.run(command, env=environment, capture_output=True, text=True) for _ in range(2)
    )
    assert first.returncode == 0
    assert first.stdout == ""
    assert first.stderr.count("\n") == 1
    assert first.stderr.startswith("compiling the renderer, about ")
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    kept = {path.name.split(".")[0] for path in (tmp_path / "numba").rglob("*.nbc")}
    assert kept == {"project", "tiles", "composite"}, "the gradients' kernels wait until they are wanted"


def test_chooses_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    chosen = choose(monkeypatch, tmp_path, FASTAVATAR_CACHE=str(tmp_path / "a"))
    assert chosen is not None and chosen.parent == tmp_path / "a" / "numba"
    chosen = choose(
        monkeypatch, tmp_path, FASTAVATAR_CACHE=str(tmp_path / "a"), NUMBA_CACHE_DIR=str(tmp_path / "b")
    )
    assert chosen is not None and chosen.parent == tmp_path / "b"


def test_falls_back_to_an_own_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    chosen = choose(monkeypatch, tmp_path, FASTAVATAR_CACHE=str(file / "below"))
    assert chosen is not None and chosen.parent.parent == tmp_path
    assert stat.S_IMODE(chosen.parent.stat().st_mode) == 0o700


def test_trusts_no_temporary_folder_that_others_may_write(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    chosen = choose(monkeypatch, tmp_path, FASTAVATAR_CACHE=str(file / "below"))
    assert chosen is not None
    chosen.parent.chmod(0o777)
    assert choose(monkeypatch, tmp_path, FASTAVATAR_CACHE=str(file / "below")) is None


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_may_only_be_read_is_copied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    warm = choose(monkeypatch, tmp_path, FASTAVATAR_CACHE=str(tmp_path / "a"))
    assert warm is not None
    (warm / "kernel.nbc").touch()
    warm.chmod(0o500)
    chosen = choose(monkeypatch, tmp_path, FASTAVATAR_CACHE=str(tmp_path / "a"))
    assert chosen is not None and chosen != warm
    assert (chosen / "kernel.nbc").exists()
