"""`fastavatar convert`: writes a file of Gaussians in another format or frame, a mesh in another format."""

import logging
from pathlib import Path
from typing import Literal

import click

from fastavatar.app.cli.numbers import FILE
from fastavatar.app.cli.outputs import require_outputs
from fastavatar.errors import UsageError

log = logging.getLogger(__name__)

# Named here so that `--help` need not import torch; `fastavatar.formats.splats.frames.FRAMES` holds the same.
FRAMES = ("supersplat", "opencv", "head")


@click.command("convert")
@click.argument("source", metavar="IN", type=FILE)
@click.argument("target", metavar="OUT", type=FILE)
@click.option(
    "--frame_in", type=click.Choice(FRAMES), help="Axes of IN [default: the axes it states, else supersplat]."
)
@click.option(
    "--frame", type=click.Choice(FRAMES), default="supersplat", show_default=True, help="Axes of OUT."
)
@click.option("--force", is_flag=True, help="Replace OUT.")
def command(
    source: Path,
    target: Path,
    frame_in: Literal["supersplat", "opencv", "head"] | None,
    frame: Literal["supersplat", "opencv", "head"],
    force: bool,
) -> None:
    """Write the 3D head in IN to OUT, whose ending chooses the format.

    .ply and .npz keep everything. .compressed.ply, .sog and .spz round values. .splat rounds values and drops
    how colours change with the view. .glb is for tools that read KHR_gaussian_splatting, .html is a page to
    open in a browser without network; these two can only be written. .ksplat can only be read. A mesh in a
    .glb, .obj, .stl or .ply becomes another of these; fastavatar mesh makes one of splats. Losses are listed
    on stderr.
    """
    from fastavatar.formats import (
        format_of,
        holds_mesh,
        mesh_format_of,
        read_gaussians,
        read_mesh,
        write_gaussians,
        write_mesh,
    )

    if holds_mesh(source):
        if frame_in is not None or frame != "supersplat":
            raise UsageError("meshes have one frame, metres, y up, the face along +z: leave out the frames")
        beside = (".mtl", ".png") if mesh_format_of(target).ending == ".obj" else ()
        require_outputs([target, *(target.with_suffix(ending) for ending in beside)], force, [source])
        mesh = read_mesh(source)
        losses = write_mesh(mesh, target, overwrite=force)
        what = f"{len(mesh.faces)} triangles"
    else:
        if target.suffix.lower() in (".obj", ".stl"):
            raise UsageError(f"{source} holds no mesh: fastavatar mesh makes one of splats")
        format_of(target)
        require_outputs([target], force, [source])
        gaussians = read_gaussians(source, frame_in)
        losses = write_gaussians(gaussians, target, frame, overwrite=force)
        what = f"{len(gaussians)} Gaussians"
    for loss in losses:
        log.warning("%s: %s", target, loss)
    log.info("%s in %s", what, target)
