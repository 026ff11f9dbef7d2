"""Checks that a distribution holds the files that are made, not kept; pyproject.toml has everything else."""

import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

FACE_MODELS = Path("fastavatar/images/face_models/selfie_multiclass.tflite")
"""The last of its folder to be made."""
VIEWER_PAGES = [Path("fastavatar/formats/html/viewer") / name for name in ("page.html", "mesh.html")]
"""An installation from a clone works without them; `fastavatar viewer` adds them later."""


def require(path: Path, how: str) -> None:
    """End the build with one line where `path` is missing."""
    if not path.is_file():
        sys.exit(f"error: {path} is missing: `{how}` makes it, or `make dist` makes all")


class BuildWheel(build_py):
    """Needs the face models, without which no photo can be read; editable installs may get them later."""

    def run(self) -> None:
        """Check, then build."""
        if not self.editable_mode:
            require(FACE_MODELS, "python -m scripts.face_models")
        super().run()


class BuildSource(sdist):
    """Needs all that is made, so that wheels built from it hold all; `python -m build` builds it first."""

    def run(self) -> None:
        """Check, then build."""
        require(FACE_MODELS, "python -m scripts.face_models")
        for page in VIEWER_PAGES:
            require(page, "fastavatar viewer")
        super().run()


setup(cmdclass={"build_py": BuildWheel, "sdist": BuildSource})
