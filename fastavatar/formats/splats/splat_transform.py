"""Formats that PlayCanvas' `splat-transform`, a Node program, writes and reads for us, by way of a PLY."""

import math
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from fastavatar.core import Gaussians
from fastavatar.errors import FastAvatarError, InputError, UsageError
from fastavatar.formats.splats.bit_packing import decode_opacity_bytes
from fastavatar.formats.splats.frames import Frame
from fastavatar.formats.splats.ply import encode_ply, parse_ply
from fastavatar.formats.splats.stored import Stored
from fastavatar.system.files import read_bytes

PROGRAM = "splat-transform"
INSTALL = "npm install --global --ignore-scripts @playcanvas/splat-transform@2.7.1"
FLAGS = ("--quiet", "--overwrite", "--gpu", "cpu", "--spz-version", "3")
"""Version 3 of .spz is the newest that readers other than its makers' know."""


def encoder(ending: str) -> Callable[[Gaussians, Frame], bytes]:
    """What turns head-frame Gaussians into the bytes of a file of that ending.

    It raises what `encode_ply` raises, and `FastAvatarError` when the program is missing or fails.
    """

    def encode(gaussians: Gaussians, frame: Frame) -> bytes:
        content = encode_ply(gaussians, frame)
        require_program(ending)
        with tempfile.TemporaryDirectory(prefix="fastavatar-") as folder:
            source, target = Path(folder, "in.ply"), Path(folder, f"out{ending}")
            source.write_bytes(content)
            failure = _run(source, target)
            if failure is not None:
                raise FastAvatarError(f"{PROGRAM} cannot write {ending}: {failure}")
            return target.read_bytes()

    return encode


def parse(path: Path) -> Stored:
    """What such a file holds; raises `InputError` when it is missing or damaged."""
    read_bytes(path)
    require_program(path.suffix)
    with tempfile.TemporaryDirectory(prefix="fastavatar-") as folder:
        target = Path(folder, "out.ply")
        failure = _run(path, target)
        if failure is not None:
            raise InputError(f"cannot read {path}: {failure}")
        return Stored(_with_finite_opacities(parse_ply(target).gaussians), None)


def write_only(path: Path) -> Stored:
    """Raise `UsageError`: the program reads no such file."""
    raise UsageError(f"{path}: {path.suffix} files are written only; keep the .ply beside it")


def require_program(ending: str) -> None:
    """Raise `FastAvatarError` with what to install unless the program is there."""
    if shutil.which(PROGRAM) is None:
        raise FastAvatarError(f"{ending} files need Node.js and {PROGRAM}: {INSTALL}")


def _with_finite_opacities(gaussians: Gaussians) -> Gaussians:
    """The program writes infinite logits for the bytes 0 and 255; here they are what our readers give."""
    low, high = (float(logit) for logit in decode_opacity_bytes(np.array([0, 255])))
    logits = gaussians.opacity_logits.nan_to_num(nan=math.nan, posinf=high, neginf=low)
    return replace(gaussians, opacity_logits=logits)


def _run(source: Path, target: Path) -> str | None:
    """Let the program turn one file into the other; what it says is wrong where it fails."""
    program = shutil.which(PROGRAM) or PROGRAM
    # A file's name may begin with a dash or look like a URL; an absolute path does neither.
    command = [program, *FLAGS, str(source.absolute()), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode == 0 and target.is_file():
        return None
    said = re.search(r"error\]?:? (.+)", done.stderr, re.IGNORECASE)
    return said[1].strip() if said else f"{PROGRAM} ended with code {done.returncode}"
