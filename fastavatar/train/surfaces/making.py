"""Makes the samples of many subjects, of which each is a capture: `surface.npz` beside its pictures.

captures, or meshes rendered as captures ─▶ OUTPUT/NAME/ ─ mesh in the colours of its views ─▶ surface.npz
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from fastavatar.captures import read_capture
from fastavatar.errors import InputError
from fastavatar.head import outside_of
from fastavatar.models.points import colored_by_views
from fastavatar.surfaces import solid_of
from fastavatar.system import abandoned, partial
from fastavatar.train.surfaces import COUNT, SAMPLES, sample_surface, write_samples

_MESHES = "[!.]*/mesh.npz"


def has_captures(folder: Path) -> bool:
    """Whether the folder holds captures with a mesh."""
    return any(True for _ in folder.glob(_MESHES))


def make_samples(folder: Path, seed: int, count: int = COUNT) -> None:
    """Write the samples of a capture with a mesh into its folder, in the colours that its views show.

    Of a parametric head only what is seen from outside counts, not the hollow of the mouth. Holes are closed.
    Raises `InputError` for a capture without a mesh, and what `read_capture` and `sample_surface` raise.
    """
    capture = read_capture(folder)
    if capture.mesh is None:
        raise InputError(f"{folder} has no mesh.npz: signed distances need the true surface")
    mesh = solid_of(colored_by_views(outside_of(capture.mesh), capture.views))
    write_samples(sample_surface(mesh, seed, count), folder / SAMPLES, seed)


def make_all(
    meshes: Path,
    output: Path,
    seed: int,
    count: int = COUNT,
    on_subject: Callable[[str], None] = lambda name: None,
) -> int:
    """`count` near and far samples of every capture in `meshes`, in copies of them in `output`.

    Returns the number of subjects. `output` may be `meshes` itself; then nothing is copied. Subjects with
    samples stay as they are, so that a run that was stopped continues. Raises `InputError` for a folder
    without captures.
    """
    folders = sorted(path.parent for path in meshes.glob(_MESHES))
    if not folders:
        raise InputError(f"{meshes} has no captures with a mesh.npz")
    for folder in folders:
        target = output / folder.name
        if not (target / SAMPLES).is_file():
            _copied(folder, target)
            make_samples(target, seed, count)
        on_subject(folder.name)
    return len(folders)


def _copied(folder: Path, target: Path) -> None:
    """Copy a capture, whole or not at all, unless it is there."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in abandoned(target.parent, target.name):
        shutil.rmtree(left, ignore_errors=True)
    with partial(target.parent, target.name, as_folder=True) as hidden:
        shutil.copytree(folder, hidden / "copy")
        (hidden / "copy").rename(target)
