"""`fastavatar render`: a head seen from all around, as a video, as pictures or as one sheet of them."""

import logging
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from click.core import ParameterSource

from fastavatar.app.cli.colors import parse_color
from fastavatar.app.cli.numbers import FILE, INDICES, SheetSize, count, finite
from fastavatar.app.cli.options import device_option, path_option
from fastavatar.app.cli.outputs import require_outputs
from fastavatar.app.cli.several import TakesViews, chosen_views
from fastavatar.app.loading import load_ahead
from fastavatar.errors import OverwriteError, UsageError

if TYPE_CHECKING:
    from fastavatar.core import Camera, Gaussians, Mesh

log = logging.getLogger(__name__)

# Repeated from `camera_paths` and `frames`, so that `--help` does not import torch.
PATHS = ("turntable", "sway", "orbit")
FRAMES = ("supersplat", "opencv", "head")
OF_A_PATH = ("path", "frames", "size", "elevation")

View = tuple[str, "Camera"]


@click.command("render", cls=TakesViews)
@click.argument("source", metavar="FILE", type=FILE)
@path_option(
    "--output", "A .mp4, .webm, .mov, .gif, .webp or .png file, or a folder for .png files.", required=True
)
@click.option(
    "--path",
    type=click.Choice(PATHS),
    default="turntable",
    show_default=True,
    help="Path of the camera: once around the head, from side to side, or in a circle in front of the face.",
)
@click.option(
    "--frames",
    type=count(1, 100_000),
    help="Number of pictures [default: 120; with --grid as many as it has cells, or 8 with --views].",
)
@click.option(
    "--views",
    type=INDICES,
    metavar="N …",
    help="Which of the pictures to draw, counted from 0: 0 2 5 or 0,2,5 [default: all].",
)
@click.option(
    "--grid", type=SheetSize(), metavar="COLUMNSxROWS", help="One .png sheet of the pictures, such as 3x2."
)
@click.option("--fps", type=finite(1, 240), default=30.0, show_default=True, help="Pictures per second.")
@click.option(
    "--size",
    type=count(16, 8192),
    default=512,
    show_default=True,
    help="Width and height in pixels.",
)
@click.option(
    "--elevation",
    type=finite(-89, 89),
    default=0.0,
    show_default=True,
    help="Elevation of the camera in degrees, positive above.",
)
@click.option(
    "--background",
    default="white",
    show_default=True,
    help="A colour by name, R,G,B or #rrggbb, or `transparent` (not for .mp4).",
)
@click.option(
    "--depth", is_flag=True, help="Draw depth instead of colour: near is white, the background is black."
)
@path_option("--camera", "A capture's transforms.json or folder: draw exactly its views.", "camera_file")
@click.option("--frame_in", type=click.Choice(FRAMES), help="Axes of splats [default: the axes they state].")
@device_option
@click.option("--force", is_flag=True, help="Replace existing files.")
@click.pass_context
def command(
    context: click.Context,
    source: Path,
    output: Path,
    path: str,
    frames: int | None,
    views: str | None,
    grid: tuple[int, int] | None,
    fps: float,
    size: int,
    elevation: float,
    background: str,
    depth: bool,
    camera_file: Path | None,
    frame_in: Literal["supersplat", "opencv", "head"] | None,
    device: str,
    force: bool,
) -> None:
    """Draw the 3D head in FILE, splats or a mesh, from all around: a video, pictures or a sheet of them."""
    require_flags_that_matter(context)
    load_ahead(libraries=())
    from tqdm import tqdm

    from fastavatar.results import (
        draw_depth_film,
        draw_film,
        earlier_stills,
        require_apart,
        sheet_of,
        write_stills,
        write_video,
    )

    color = None if background.lower() == "transparent" else parse_color(background)
    inputs = [source, *([camera_file] if camera_file else [])]
    as_video = require_free(output, force, color is None, inputs)
    shown = read_shown(source, frame_in, device)
    captured: Iterable[Path] = ()
    if camera_file is None:
        cells = None if grid is None else 8 if views is not None else grid[0] * grid[1]
        drawn = views_on_path(shown, path, frames or cells or 120, size, elevation)
    else:
        from fastavatar.captures import read_cameras  # here, as it takes 0.3 s and most calls do without it

        cameras_read = read_cameras(camera_file)
        drawn, captured = cameras_read.views, cameras_read.files
    drawn = [drawn[index] for index in chosen_views(views, len(drawn), "pictures")]
    if grid is None and as_video and output.suffix.lower() == ".png":
        drawn = drawn[:1]
    names = [name for name, _ in drawn]
    require_apart(captured, [output, *(output / f"{name}.png" for name in names)])
    earlier = [] if as_video else earlier_stills(output, names)
    require_apart(captured, (output / name for name in earlier))
    hidden = None if log.isEnabledFor(logging.INFO) else True  # None: show it on a terminal only
    with tqdm(drawn, desc=output.name, unit="picture", file=sys.stderr, disable=hidden) as bar:
        cameras = [camera for _, camera in drawn]
        film = draw_depth_film(shown, cameras) if depth else draw_film(shown, cameras, color)
        pictures = (picture for _, picture in zip(bar, film, strict=True))
        if grid is not None:
            write_video([sheet_of(pictures, *grid)], output, fps, overwrite=force)
        elif as_video:
            write_video(pictures, output, fps, overwrite=force)
        else:
            write_stills(zip(names, pictures, strict=True), output, earlier)
    log.info("%d %s in %s", len(drawn), "picture" if len(drawn) == 1 else "pictures", output)


def require_flags_that_matter(context: click.Context) -> None:
    """Raise `UsageError` for a flag that has no effect together with another one."""
    given = {
        name for name in context.params if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    unused = [name for name in OF_A_PATH if name in given]
    if "camera_file" in given and unused:
        raise UsageError(f"--camera has its own views: leave out --{', --'.join(unused)}")
    if "grid" in given and context.params["output"].suffix.lower() != ".png":
        raise UsageError("--grid makes one picture: give a .png file as --output")
    if context.params["depth"] and "background" in given:
        raise UsageError("--depth always has a black background: leave out --background")


def read_shown(
    source: Path, frame_in: Literal["supersplat", "opencv", "head"] | None, device: str
) -> "Gaussians | Mesh":
    """The Gaussians in a file, on `device`, or its mesh, which is drawn on the CPU.

    Raises `UsageError` for a mesh with a frame, and what reading it raises.
    """
    from fastavatar.formats import holds_mesh, read_gaussians, read_mesh
    from fastavatar.models.choice import choose_device

    if not holds_mesh(source):
        return on_device(read_gaussians(source, frame_in), choose_device(device))
    if frame_in is not None:
        raise UsageError("a mesh has one frame: leave out --frame_in")
    return read_mesh(source)


def views_on_path(
    shown: "Gaussians | Mesh", path: str, count: int, size: int, elevation: float
) -> list[View]:
    """Names and cameras of `count` views of the head along a camera path."""
    from fastavatar.results import head_cameras

    cameras = head_cameras(shown, path, count, size, elevation)
    digits = len(str(count - 1))
    return [(f"frame_{index:0{digits}d}", camera) for index, camera in enumerate(cameras)]


def require_free(output: Path, force: bool, transparent: bool, inputs: Sequence[Path]) -> bool:
    """Whether `output` is the file of a video or of one picture; otherwise it is a folder.

    Raises `OverwriteError` when something is there that may not be replaced, `UsageError` for a file that no
    video can be written to, and for one of `inputs`.
    """
    from fastavatar.results import ENDINGS, require_apart, require_folder, writer_of

    require_apart(inputs, [output])
    if not output.suffix or (output.is_dir() and output.suffix.lower() not in ENDINGS):
        require_folder(output)
        if not force and any(output.glob("*.png")):
            raise OverwriteError(f"{output} holds pictures: use --force to replace them")
        return False
    writer_of(output, transparent)
    require_outputs([output], force)
    return True


def on_device(gaussians: "Gaussians", device: str) -> "Gaussians":
    """The Gaussians moved to `device`; raises `DeviceError` if this machine has no such device."""
    from fastavatar.models import require_device
    from fastavatar.rendering import limit_threads

    require_device(device, draws=True)
    limit_threads(None)
    return gaussians.to(device)
