"""The package without what only POSIX systems have; here stands in for Windows what of it Linux can show."""

import subprocess
import sys

from tests.portraits import ROOT

MISSING = ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty")
"""Modules of Python that Windows lacks."""
LACKING = f"""
import os, signal, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in {MISSING}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

for name in {MISSING}:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Missing())
"""
WITHOUT_CALLS = """
import tempfile  # looks for some of the names when it is imported
for name in ("O_NOFOLLOW", "O_DIRECTORY", "fork", "getuid", "geteuid", "sched_getaffinity"):
    delattr(os, name)
for name in ("SIGHUP", "SIGQUIT", "SIGKILL", "SIGCHLD", "sigwaitinfo", "pthread_sigmask"):
    delattr(signal, name)
"""
EVERY_MODULE = """
import importlib, pkgutil, fastavatar
for module in pkgutil.walk_packages(fastavatar.__path__, "fastavatar."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
        print(module.name)
"""
HELP = """
import runpy
sys.argv = ["predict.py", "--help"]
runpy.run_path("predict.py", run_name="__main__")
"""
FILES = """
from pathlib import Path
from fastavatar.results.staging import require_folder, staged
from fastavatar.system import replacing, workspace

folder = Path(sys.argv[1])
with replacing(folder / "a.txt") as hidden:
    hidden.write_text("a")
require_folder(folder, 1)
with staged(folder, ["a.txt"]) as new:
    (new / "b.txt").write_text("b")
with workspace() as room:
    (room / "c.txt").write_text("c")
print(sorted(path.name for path in folder.iterdir()))
"""


def run_without(program: str, *arguments: object) -> str:
    command = [sys.executable, "-W", "ignore", "-c", program, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_module_is_imported_without_them() -> None:
    names = run_without(LACKING + EVERY_MODULE).split()
    assert len(names) > 150 and {"fastavatar.system.atomic", "fastavatar.app.batch.index"} <= set(names)


def test_predict_shows_its_help_without_them() -> None:
    assert "--output_dir" in run_without(LACKING + WITHOUT_CALLS + HELP)


def test_files_are_replaced_and_folders_locked_without_them(tmp_path: object) -> None:
    assert run_without(LACKING + WITHOUT_CALLS + FILES, tmp_path) == "['b.txt']\n"
