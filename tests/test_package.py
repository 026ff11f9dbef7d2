"""The effects of `import fastavatar` on a process, and what an installed package holds."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.portraits import ROOT


@pytest.mark.parametrize(
    ("program", "given", "expected"),
    [
        ("import fastavatar, os", None, "PASSIVE"),
        ("import fastavatar, os", "ACTIVE", "ACTIVE"),
        ("import torch, fastavatar, os", None, "None"),  # too late: OpenMP has read it
    ],
)
def test_openmp_threads_sleep_while_they_wait(program: str, given: str | None, expected: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    if given is not None:
        environment["OMP_WAIT_POLICY"] = given
    command = [sys.executable, "-c", f"{program}\nprint(os.environ.get('OMP_WAIT_POLICY'))"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected


def test_a_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(ROOT / "fastavatar", source / "fastavatar", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, source)
    page = source / "fastavatar/formats/html/viewer/page.html"  # built by `make viewer`, so not always there
    page.write_text("page")
    program = "from setuptools.build_meta import build_wheel; print(build_wheel('..'))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=True)

    with zipfile.ZipFile(tmp_path / done.stdout.split()[-1]) as wheel:
        held = {name for name in wheel.namelist() if name.startswith("fastavatar/")}
    files = [path for path in source.glob("fastavatar/**/*") if path.is_file()]
    # The hidden .npmrc serves only for renewing the lock in a checkout.
    assert held == {path.relative_to(source).as_posix() for path in files if path.name != ".npmrc"}
