"""`fastavatar mesh`: a closed, textured mesh from results, splats or photos; `meshing/` does the work."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import click

from fastavatar.app.cli.numbers import FILE_AS_TEXT, WholeNumber, count
from fastavatar.app.cli.options import path_option
from fastavatar.app.cli.outputs import require_outputs
from fastavatar.app.cli.prediction import FRAMES, model_options, settings_of
from fastavatar.errors import InputError, UsageError

if TYPE_CHECKING:
    from fastavatar.app.settings import Settings
    from fastavatar.core import Avatar, Gaussians

log = logging.getLogger(__name__)


class TextureSide(WholeNumber):
    """0, or a power of two from 512 to 4096."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number; fails for any other."""
        side = super().convert(value, param, ctx)
        if side not in (0, 512, 1024, 2048, 4096):
            self.fail(f"{side} is none of 0, 512, 1024, 2048, 4096", param, ctx)
        return side


@click.command("mesh")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=FILE_AS_TEXT)
@path_option("--output", "A .glb, .obj, .ply or .stl file.", required=True)
@click.option(
    "--faces", type=count(4, 2_000_000), default=30_000, show_default=True, help="Number of triangles, about."
)
@click.option(
    "--texture",
    type=TextureSide(0, 4096),
    default=2048,
    show_default=True,
    metavar="0|512|1024|2048|4096",
    help="Side of the texture in pixels; 0 gives colours of the vertices instead.",
)
@click.option(
    "--shapes/--no_shapes", default=True, show_default=True, help="Keep a head's expressions and skeleton."
)
@click.option(
    "--smooth",
    type=count(0, 1000),
    help="Rounds of smoothing [default: 5 for splats, none for the model's own mesh].",
)
@click.option(
    "--shoulders/--no_shoulders", default=True, show_default=True, help="Keep the torso, or end at the neck."
)
@click.option("--frame_in", type=click.Choice(FRAMES), help="Axes of splats [default: the axes they state].")
@click.option("--force", is_flag=True, help="Replace existing files.")
@model_options
def command(
    inputs: tuple[str, ...],
    output: Path,
    faces: int,
    texture: int,
    shapes: bool,
    smooth: int | None,
    shoulders: bool,
    frame_in: Literal["supersplat", "opencv", "head"] | None,
    force: bool,
    **flags: Any,
) -> None:
    """Write a closed mesh of the 3D head in INPUT: a folder of results, splats of any format, or photos.

    Several photos show one person. A head that the embedded model fitted, from photos or a folder of results,
    keeps the model's own triangles, 52 expressions, eyes, teeth and a skeleton; any other one becomes one
    piece of --faces triangles. .glb holds all of that; .obj has its .mtl and .png beside it; .ply has colours
    of the vertices; .stl, for printing, has none and is in millimetres with z upward.
    """
    from fastavatar.formats import mesh_format_of

    ending = mesh_format_of(output).ending
    if ending in (".ply", ".stl"):
        texture = 0
    written = [output, *(output.with_suffix(one) for one in (".mtl", ".png") if texture and ending == ".obj")]
    settings = settings_of(**flags)
    require_outputs(written, force, inputs)
    head = head_from(inputs, settings, frame_in)

    from fastavatar.formats import write_mesh
    from fastavatar.meshing import extract_mesh, printable
    from fastavatar.rendering import limit_threads

    limit_threads(settings.threads)
    mesh = extract_mesh(
        head, faces=faces, texture_px=texture, smooth=smooth, shapes=shapes, shoulders=shoulders
    )
    if ending == ".stl":
        mesh = printable(mesh)
    for loss in write_mesh(mesh, output, overwrite=force):
        log.warning("%s: %s", output, loss)
    log.info("%d triangles in %s", len(mesh.faces), output)


def head_from(
    inputs: Sequence[str], settings: "Settings", frame_in: Literal["supersplat", "opencv", "head"] | None
) -> "Avatar | Gaussians":
    """The head that the inputs are: a folder of results, a file of splats, or photos of one person.

    Raises `UsageError` for a mesh and for several inputs that are not all photos, `InputError` for a damaged
    mesh, and what reading or predicting raises.
    """
    from fastavatar.formats import holds_mesh, holds_splats, read_gaussians

    paths = [Path(one) for one in inputs]
    for path in paths:
        if not path.is_dir() and holds_mesh(path):
            _refuse_mesh(path)
        if len(paths) > 1 and (path.is_dir() or holds_splats(path)):
            raise UsageError(f"{path} is no photo: only photos of one person can be given several at a time")
    if paths[0].is_dir():
        from fastavatar.results import read_avatar

        return read_avatar(paths[0])
    if holds_splats(paths[0]):
        return read_gaussians(paths[0], frame_in)
    if frame_in is not None:
        raise UsageError("photos have no frame: leave out --frame_in")
    from fastavatar.app.cli.several import load_photos
    from fastavatar.app.pipeline import Pipeline

    photos = load_photos(list(inputs), settings)
    return Pipeline(settings if len(photos) == 1 else settings.for_several()).predict_several(photos)


def _refuse_mesh(path: Path) -> NoReturn:
    """Raise `UsageError` for a file that holds a mesh, `InputError` for a damaged one."""
    from fastavatar.formats import read_mesh

    try:
        count = len(read_mesh(path).faces)
    except InputError as error:
        raise InputError(
            f"{error}; give photos, a folder of results or splats, of which it is made"
        ) from error
    raise UsageError(
        f"{path} is a mesh of {count} triangles already: fastavatar convert writes it in another format"
    )
