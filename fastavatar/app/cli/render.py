"""`fastavatar render`: a head from all around, as a video or pictures."""

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from click.core import ParameterSource

from fastavatar.app.cli.colors import parse_color
from fastavatar.app.cli.numbers import FILE, count, finite
from fastavatar.app.cli.options import device_option, path_option
from fastavatar.errors import OverwriteError, UsageError

if TYPE_CHECKING:
    from fastavatar.core import Camera, Gaussians

log = logging.getLogger(__name__)

# Named here so that `--help` need not import torch; they are those of `camera_paths` and `frames`.
PATHS = ("turntable", "sway", "orbit")
FRAMES = ("supersplat", "opencv", "head")
OF_A_PATH = ("path", "frames", "size", "elevation")

View = tuple[str, "Camera"]


@click.command("render")
@click.argument("source", metavar="PLY", type=FILE)
@path_option("--output", "A video's .mp4, .gif or .webp, one .png, or a folder of them.", required=True)
@click.option(
    "--path",
    type=click.Choice(PATHS),
    default="turntable",
    show_default=True,
    help="Once around, from side to side, or a circle before the face.",
)
@click.option("--frames", type=count(1, 100_000), default=120, show_default=True, help="Pictures.")
@click.option("--fps", type=finite(1, 240), default=30.0, show_default=True, help="Pictures a second.")
@click.option("--size", type=count(16, 8192), default=512, show_default=True, help="Width and height.")
@click.option(
    "--elevation",
    type=finite(-89, 89),
    default=0.0,
    show_default=True,
    help="Raises the camera, °.",
)
@click.option("--background", default="white", show_default=True, help="A colour by name, R,G,B or #rrggbb.")
@click.option("--depth", is_flag=True, help="Depth instead of colour: near is white, nothing is black.")
@path_option("--camera", "A capture: exactly its views.", "camera_file")
@click.option("--frame_in", type=click.Choice(FRAMES), help="Axes of PLY [default: as it states].")
@device_option
@click.option("--force", is_flag=True, help="Replace what exists.")
@click.pass_context
def command(
    context: click.Context,
    source: Path,
    output: Path,
    path: str,
    frames: int,
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
    """Draw a 3D head from all around: a video or pictures of PLY, which may be of any format."""
    given = {
        name for name in context.params if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    unused = [name for name in OF_A_PATH if name in given]
    if camera_file is not None and unused:
        raise UsageError(f"--camera says it all: leave out --{', --'.join(unused)}")
    if depth and "background" in given:
        raise UsageError("--depth is drawn on black: leave out --background")

    from tqdm import tqdm

    from fastavatar.captures import calibrated_files, read_cameras
    from fastavatar.formats.registry import read_gaussians
    from fastavatar.models.choice import choose_device
    from fastavatar.results.film import draw_depth_film, draw_film, head_cameras
    from fastavatar.results.video import write_stills, write_video

    color = parse_color(background)
    replaced = require_free(output, force)
    gaussians = on_device(read_gaussians(source, frame_in), choose_device(device))
    if camera_file is None:
        cameras = head_cameras(gaussians, path, frames, size, elevation)
        views = [(f"frame_{index:0{len(str(frames - 1))}d}", camera) for index, camera in enumerate(cameras)]
    else:
        views = read_cameras(camera_file)
        written = [output, *(output / f"{name}.png" for name, _ in views)]
        there = {path.resolve() for path in written if path.is_file()}
        if there and there & calibrated_files(camera_file):
            raise UsageError(f"{output} holds the capture's own pictures: choose another output")
    if output.suffix.lower() == ".png":
        views = views[:1]
    hidden = None if log.isEnabledFor(logging.INFO) else True  # None: shown on a terminal only
    with tqdm(views, desc=output.name, unit="picture", file=sys.stderr, disable=hidden) as bar:
        cameras = [camera for _, camera in views]
        film = draw_depth_film(gaussians, cameras) if depth else draw_film(gaussians, cameras, color)
        pictures = (picture for _, picture in zip(bar, film, strict=True))
        if output.suffix:
            write_video(pictures, output, fps)
        else:
            names = [name for name, _ in views]
            write_stills(zip(names, pictures, strict=True), output, replaced)
    log.info("%d pictures in %s", len(views), output)


def require_free(output: Path, force: bool) -> list[str]:
    """Names in the folder `output` that are to be replaced; none where it is a file.

    Raises `OverwriteError` when something is there and `force` is off, `UsageError` for a file that is no
    video's or a folder that is one.
    """
    from fastavatar.results.staging import require_folder
    from fastavatar.results.video import writer_of

    if output.suffix:
        writer_of(output)
        taken = [output.name] if output.exists() else []
    else:
        require_folder(output)
        taken = sorted(picture.name for picture in output.glob("*.png"))
    if taken and not force:
        what = f"{output} exists" if output.suffix else f"{output} holds pictures"
        raise OverwriteError(f"{what} already: use --force to overwrite")
    return [] if output.suffix else [name for name in taken if name.startswith("frame_")]


def on_device(gaussians: "Gaussians", device: str) -> "Gaussians":
    """The Gaussians there; raises `DeviceError` where there is no such device."""
    from fastavatar.models import require_device
    from fastavatar.rendering.threads import limit_threads

    require_device(device)
    limit_threads(None)
    return gaussians.to(device)
