"""Check that the program can be installed on every Python and platform that it names, from wheels alone.

    python -m scripts.resolve [--python 3.14 …] [--platform linux-arm …]

For each of them it asks uv (`pip install uv`), which evaluates markers for the platform that is asked for and
needs nothing but the registry, two things: whether the pins of `make setup` all have wheels, and whether the
package with its extras resolves within them. It prints a table and exits with 1 if a cell is not green.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = {
    "linux": "x86_64-unknown-linux-gnu",
    "linux-arm": "aarch64-unknown-linux-gnu",
    "macos-arm": "aarch64-apple-darwin",
    "windows": "x86_64-pc-windows-msvc",
}
"""Names of platforms, as in the table, and as uv calls them."""
PINS = ("constraints.txt", "constraints-dev.txt", "constraints-ray.txt", "constraints-train.txt")
"""What `make setup` installs, without following what packages declare."""
LIMITS = ("constraints.txt", "constraints-ray.txt", "constraints-train.txt")
LEFT_OUT = ("cuda", "dev", "lpips")
"""Extras that are not asked for: CUDA has one platform, pins hold `dev`, and lpips takes any torchvision."""


def main() -> int:
    """Print the table, and below it why a cell is red; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.resolve", description=__doc__.splitlines()[0])
    parser.add_argument("--python", nargs="+", choices=PYTHONS, default=PYTHONS)
    parser.add_argument("--platform", nargs="+", choices=PLATFORMS, default=tuple(PLATFORMS))
    asked = parser.parse_args()
    if uv() is None:
        sys.exit("uv is missing: pip install uv")
    print("| Python | " + " | ".join(asked.platform) + " |\n" + "|---" * (len(asked.platform) + 1) + "|")
    reasons: dict[str, list[str]] = {}
    for python in asked.python:
        cells = []
        for platform in asked.platform:
            failed = failures(python, platform)
            cells.append("green" if not failed else " and ".join(failed))
            for what, reason in failed.items():
                reasons.setdefault(f"{what}: {reason}", []).append(f"{python} {platform}")
        print(f"| {python} | " + " | ".join(cells) + " |", flush=True)
    for reason, places in reasons.items():
        print(f"\n{', '.join(places)}\n  {reason}")
    return int(bool(reasons))


def uv() -> str | None:
    """Where uv is: beside this Python, where its pip puts it, or on the PATH."""
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    return shutil.which("uv", path=os.pathsep.join(folders))


def failures(python: str, platform: str) -> dict[str, str]:
    """What does not resolve, `pins` or `package`, with uv's reason in one line."""
    extras = [f"--extra={extra}" for extra in extras_of(ROOT / "pyproject.toml")]
    limits = [f"--constraint={ROOT / name}" for name in LIMITS]
    questions = {
        "pins": ["--no-deps", *(str(ROOT / name) for name in PINS)],
        "package": [*extras, *limits, str(ROOT / "pyproject.toml")],
    }
    answers = {what: resolved(python, platform, arguments) for what, arguments in questions.items()}
    return {what: reason for what, reason in answers.items() if reason is not None}


def extras_of(pyproject: Path) -> Iterable[str]:
    """The extras that are asked for."""
    with pyproject.open("rb") as file:
        return sorted(tomllib.load(file)["project"]["optional-dependencies"].keys() - set(LEFT_OUT))


def resolved(python: str, platform: str, arguments: list[str]) -> str | None:
    """None where uv finds wheels for all that is asked for, else why it does not."""
    target = ["--python-version", python, "--python-platform", PLATFORMS[platform], "--only-binary", ":all:"]
    command = [uv() or "uv", "pip", "compile", "--quiet", "--no-config", *target, *arguments]
    with tempfile.TemporaryDirectory() as elsewhere:  # where uv finds no other project's settings
        done = subprocess.run(
            command, cwd=elsewhere, env=environment(), capture_output=True, text=True, check=False
        )
    return " ".join(done.stderr.split()) if done.returncode else None


def environment() -> dict[str, str]:
    """That of this process, with macOS 14, the oldest that torch has wheels for, and pip's certificates."""
    own = {"MACOSX_DEPLOYMENT_TARGET": "14.0"}
    if "PIP_CERT" in os.environ:
        own["SSL_CERT_FILE"] = os.environ["PIP_CERT"]
    return own | os.environ


if __name__ == "__main__":
    sys.exit(main())
