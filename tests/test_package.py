"""The effects of `import fastavatar` on a process."""

import os
import subprocess
import sys

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


def test_every_module_and_name_can_be_had_without_the_extras_for_training_and_the_viewer() -> None:
    program = """
import importlib, pkgutil, sys
sys.modules.update(dict.fromkeys(("viser", "mitsuba", "drjit", "igl", "tensorboard"), None))
import fastavatar
for module in pkgutil.walk_packages(fastavatar.__path__, "fastavatar."):
    if not module.name.endswith(".__main__"):
        found = importlib.import_module(module.name)
        for name in getattr(found, "__all__", []):
            getattr(found, name)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
