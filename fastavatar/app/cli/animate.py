"""`fastavatar animate`: a head moves as a driver does, or shows one expression."""

import logging
from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from click.core import ParameterSource

from fastavatar.app.cli.animation_files import Target
from fastavatar.app.cli.colors import parse_color
from fastavatar.app.cli.numbers import FILE, count, finite
from fastavatar.app.cli.options import path_option
from fastavatar.errors import UsageError

if TYPE_CHECKING:
    from fastavatar.core import Avatar, Camera, Gaussians
    from fastavatar.rig import Drive, Rig

log = logging.getLogger(__name__)

CLIPS = ("idle", "expressions", "vowels")  # repeated from `clips`, so that `--help` does not import torch


@click.command("animate")
@click.argument("source", metavar="HEAD", type=FILE)
@path_option("--output", "A .mp4, .webm, .mov, .gif, .webp or .png file, or a folder.", required=True)
@click.option(
    "--drive",
    metavar="FILE|CLIP",
    help="What moves the head: a Live Link Face .csv, weights as .json, a video of a face, or a clip: "
    f"{', '.join(CLIPS)}.",
)
@click.option(
    "--expression",
    "expressions",
    multiple=True,
    metavar="NAME=WEIGHT",
    help="Instead of --drive, show one of ARKit's 52 expressions, 0 to 1; repeat for several.",
)
@click.option(
    "--files",
    type=click.Choice(["png", "ply"]),
    default="png",
    show_default=True,
    help="What a folder gets for each frame: a picture, or the splats.",
)
@click.option("--fps", type=finite(1, 240), help="Frames per second [default: the driver's].")
@click.option(
    "--size", type=count(16, 8192), default=512, show_default=True, help="Width and height in pixels."
)
@path_option("--camera", "A capture's transforms.json or folder: draw one of its views.", "camera_file")
@click.option("--view", type=count(), metavar="N", help="Which view of --camera, from 0 [default: 0].")
@click.option(
    "--background",
    default="white",
    show_default=True,
    help="A colour by name, R,G,B or #rrggbb, or `transparent` (not for .mp4).",
)
@click.option("--neutral", is_flag=True, help="Take the driver's first frame as its neutral face.")
@click.option("--neutral_frame", type=count(), metavar="N", help="Take the driver's frame N, from 0.")
@click.option(
    "--relax", is_flag=True, help="Start from a neutral face instead of the expression of the photo."
)
@click.option(
    "--strength", type=finite(0, 4), default=1.0, show_default=True, help="Factor on the expressions."
)
@click.option("--no_head_turn", is_flag=True, help="Leave out the turns of the head.")
@click.option(
    "--smooth",
    type=finite(0, 120),
    metavar="HZ",
    help="Take out changes faster than this; 0 takes out none [default: what suits the driver].",
)
@click.option(
    "--frame_in",
    type=click.Choice(("supersplat", "opencv", "head")),
    help="Axes of a splat file [default: the axes it states].",
)
@click.option("--force", is_flag=True, help="Replace existing files.")
@click.pass_context
def command(
    context: click.Context,
    source: Path,
    output: Path,
    drive: str | None,
    expressions: tuple[str, ...],
    files: str,
    fps: float | None,
    size: int,
    camera_file: Path | None,
    view: int | None,
    background: str,
    neutral: bool,
    neutral_frame: int | None,
    relax: bool,
    strength: float,
    no_head_turn: bool,
    smooth: float | None,
    frame_in: Literal["supersplat", "opencv", "head"] | None,
    force: bool,
) -> None:
    """Make HEAD move: a folder of results or a splat file, its face driven by a video, a take or a clip."""
    if (drive is None) == (not expressions):
        raise UsageError("give either --drive or --expression")
    if view is not None and camera_file is None:
        raise UsageError("--view is one of a capture's: give --camera as well")
    if camera_file and context.get_parameter_source("size") is not ParameterSource.DEFAULT:
        raise UsageError("--camera has its own views: leave out --size")
    color = None if background.lower() == "transparent" else parse_color(background)
    inputs = [source, *([Path(drive)] if drive and drive not in CLIPS else [])]
    captured: Camera | None = None
    if camera_file:
        captured, files_of_capture = view_of(camera_file, view or 0)
        inputs += [camera_file, *files_of_capture]
    target = Target(output, files, color, force)
    target.require_free(inputs, one_pose=drive is None)
    if drive is None:
        motion = pose_of(expressions)
    else:
        motion = changed(
            driven(drive, fps, smooth), 0 if neutral else neutral_frame, strength, not no_head_turn
        )

    if output.suffix.lower() == ".png":
        motion = replace(motion, motion=motion.motion.first())

    from fastavatar.rendering import limit_threads
    from fastavatar.rig import bind

    limit_threads(None)
    rig = bind(read_head(source, frame_in), from_neutral=relax)
    camera = captured or camera_before(rig, size)
    target.write(rig, motion, camera, one_pose=drive is None)
    log.info("%d %s in %s", len(motion.motion), "frame" if len(motion.motion) == 1 else "frames", output)


def read_head(source: Path, frame_in: Literal["supersplat", "opencv", "head"] | None) -> "Avatar | Gaussians":
    """The avatar in a folder of results, or the Gaussians of a splat file."""
    from fastavatar.formats import read_gaussians
    from fastavatar.results import read_avatar

    if not source.is_dir():
        return read_gaussians(source, frame_in)
    if frame_in is not None:
        raise UsageError("results state their axes: leave out --frame_in")
    return read_avatar(source)


def driven(drive: str, fps: float | None, smooth_hz: float | None) -> "Drive":
    """The motion of a clip or a driver's file."""
    from fastavatar.rig import read_drive

    return read_drive(drive, fps, smooth_hz)


def pose_of(expressions: Sequence[str]) -> "Drive":
    """One frame with expressions written as `name=weight`; raises `UsageError` for anything else."""
    from fastavatar.rig import Drive, still

    weights: dict[str, float] = {}
    for text in expressions:
        name, _, number = text.partition("=")
        try:
            weights[name.strip()] = float(number)
        except ValueError:
            raise UsageError(f"--expression takes NAME=WEIGHT such as jawOpen=0.5, found {text!r}") from None
    return Drive(still(weights))


def changed(drive: "Drive", neutral_frame: int | None, strength: float, turns: bool) -> "Drive":
    """The motion counted from a frame, its expressions stronger or weaker, with or without head turns."""
    from fastavatar.rig import against_frame

    motion = drive.motion if neutral_frame is None else against_frame(drive.motion, neutral_frame)
    motion = replace(motion, weights=(strength * motion.weights).clip(0, 1))
    if not turns:
        motion = replace(motion, head_turns=0 * motion.head_turns)
    return replace(drive, motion=motion)


def camera_before(rig: "Rig", size: int) -> "Camera":
    """A camera before the face, `size` pixels wide and high."""
    import torch

    from fastavatar.results import head_cameras

    own = rig.rest.subset(torch.arange(rig.own))
    return head_cameras(own, frames=1, size_px=size)[0]


def view_of(capture: Path, view: int) -> "tuple[Camera, Set[Path]]":
    """The camera of one view of a capture, and the capture's files.

    Raises `UsageError` for a view that it does not have, and what reading it raises.
    """
    from fastavatar.captures import read_cameras

    cameras = read_cameras(capture)
    if view >= len(cameras.views):
        raise UsageError(f"there is no view {view}: {capture} has {len(cameras.views)}, numbered from 0")
    return cameras.views[view][1], cameras.files
