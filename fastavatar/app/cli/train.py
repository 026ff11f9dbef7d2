"""`fastavatar train`: trains the networks; each command parses and logs, `fastavatar/train` does the work."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastavatar.app.cli.numbers import FILE, FILE_AS_TEXT, FOLDER, THREADS, count

if TYPE_CHECKING:
    from fastavatar.train import Pace, RunSettings, Trainee

log = logging.getLogger(__name__)

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

DATA = click.option(
    "--data",
    required=True,
    multiple=True,
    type=FOLDER,
    help="Folder of captures, one a person; repeat for several.",
)
CONFIG = "A preset, such as this or its `_small`, or a YAML file."
DEVICE = "cpu, cuda, cuda:N or auto."
HELD_OUT = click.option(
    "--held_out", multiple=True, type=FOLDER, help="Folder of captures of people to validate on, too."
)
_OF_EVERY_RUN: tuple[Decorator, ...] = (
    click.option("--output", required=True, type=FOLDER, help="The run's folder: state, logs and the model."),
    click.option("--resume", is_flag=True, help="Continue the run in --output, if there is one."),
    click.option(
        "--steps", type=count(1, 1_000_000_000), help="Number of steps [default: the epochs of --config]."
    ),
    click.option(
        "--check", is_flag=True, help="Make a few steps to see that the run would start; write nothing."
    ),
    click.option("--device", default="auto", show_default=True, metavar="DEVICE", help=DEVICE),
    click.option("--threads", type=THREADS, help="CPU threads [default: all this process may use]."),
)


def run_options(preset: str) -> Decorator:
    """The flags of every training, whose default configuration is `preset`."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        config = click.option("--config", default=preset, show_default=True, type=FILE_AS_TEXT, help=CONFIG)
        for option in reversed(_OF_EVERY_RUN):
            command = option(command)
        return config(command)

    return decorate


@click.group("train")
def command() -> None:
    """Train the networks from captures: `fastavatar dataset people` makes some.

    For several cards or machines, start the same command with `torchrun -m fastavatar`.
    """


def run_settings(config: Any, pace: "Pace", flags: dict[str, Any]) -> "RunSettings":
    """The settings of a run from the flags of `run_options`."""
    from fastavatar.app.loading import complete_torch
    from fastavatar.models.choice import choose_device
    from fastavatar.rendering import limit_threads
    from fastavatar.train import RunSettings

    complete_torch()
    limit_threads(flags["threads"])
    return RunSettings(
        folder=flags["output"],
        config=config,
        pace=pace,
        device=choose_device(flags["device"]),
        resume=flags["resume"],
        steps=flags["steps"],
        check=flags["check"],
    )


def train(make_trainee: "Callable[[Any], Trainee]", settings: "RunSettings") -> None:
    """Run a training with a bar; a run that was stopped ends the command with code 130, as Ctrl-C does."""
    from fastavatar.app.cli.progress import training_bar
    from fastavatar.train import run

    with training_bar() as on_step:
        result = run(make_trainee, settings, on_step)
    if settings.check:
        return
    if result.stopped == "interrupted":
        log.info("continue it with --resume")
        sys.exit(130)
    log.info("%d steps; the model is in %s", result.steps, settings.folder / "model")


@command.command()
@DATA
@click.option("--output", required=True, type=FOLDER, help="The run's folder.")
@click.option("--resume", is_flag=True, help="Continue the run in --output, if there is one.")
@click.option("--config", default="template", show_default=True, type=FILE_AS_TEXT, help=CONFIG)
@click.option("--device", default="auto", show_default=True, metavar="DEVICE", help=DEVICE)
@click.option("--threads", type=THREADS, help="CPU threads [default: all this process may use].")
def template(
    data: tuple[Path, ...], output: Path, resume: bool, config: str, device: str, threads: int | None
) -> None:
    """Fit the mean head to everybody."""
    from fastavatar.app.cli.progress import fits_bar
    from fastavatar.app.loading import complete_torch
    from fastavatar.models.choice import choose_device
    from fastavatar.rendering import limit_threads
    from fastavatar.train import TemplateSettings, load_settings, train_template

    complete_torch()
    limit_threads(threads)
    settings = load_settings(TemplateSettings, config)
    with fits_bar() as on_fit:
        path = train_template(
            data, settings, output, device=choose_device(device), resume=resume, on_fit=on_fit
        )
    log.info("the mean head is in %s", path)


@command.command()
@DATA
@HELD_OUT
@click.option(
    "--template", type=FILE, help="PLY of the mean head, as `train template` writes it [default: grey discs]."
)
@run_options("decoder")
def decoder(
    data: tuple[Path, ...], held_out: tuple[Path, ...], template: Path | None, config: str, **flags: Any
) -> None:
    """Train the decoder and everybody's W."""
    from fastavatar.train import DecoderSettings, load_settings, make_decoder_trainee

    settings = load_settings(DecoderSettings, config)
    make = make_decoder_trainee((data, held_out), template, settings)
    train(make, run_settings(settings, settings.pace, flags))


@command.command()
@DATA
@HELD_OUT
@click.option(
    "--backbone",
    type=FILE,
    help="Pretrained DINOv2, or a point predictor, to start from [default: nothing].",
)
@run_options("points")
def points(
    data: tuple[Path, ...], held_out: tuple[Path, ...], backbone: Path | None, config: str, **flags: Any
) -> None:
    """Train the point predictor, photo → the points of the head, and the camera that took it."""
    from fastavatar.train import PointsSettings, load_settings, make_points_trainee

    settings = load_settings(PointsSettings, config)
    make = make_points_trainee((data, held_out), backbone, settings)
    train(make, run_settings(settings, settings.pace, flags))


@command.command()
@DATA
@HELD_OUT
@click.option("--decoder", required=True, type=FOLDER, help="The decoder's run.")
@click.option("--recogniser", type=FILE, help="Face recogniser (.onnx) [default: InsightFace's buffalo_l].")
@run_options("encoder")
def encoder(
    data: tuple[Path, ...],
    held_out: tuple[Path, ...],
    decoder: Path,
    recogniser: Path | None,
    config: str,
    **flags: Any,
) -> None:
    """Train the encoder: a face's embedding → W."""
    from fastavatar.train import EncoderSettings, load_settings, make_encoder_trainee

    settings = load_settings(EncoderSettings, config)
    make = make_encoder_trainee((data, held_out), decoder, recogniser, settings)
    train(make, run_settings(settings, settings.pace, flags))


@command.command("surface")
@DATA
@run_options("surface")
def surface(data: tuple[Path, ...], config: str, **flags: Any) -> None:
    """Train the model `surface`: a signed distance field from one photo.

    The captures need a `surface.npz` each, as `fastavatar dataset surfaces` makes them.
    """
    from fastavatar.train import SurfaceSettings, SurfaceTrainee, load_settings

    settings = load_settings(SurfaceSettings, config)
    train(
        lambda process: SurfaceTrainee(data, settings, process), run_settings(settings, settings.pace, flags)
    )


@command.command("views")
@DATA
@HELD_OUT
@click.option("--dino_checkpoint", type=FILE, help="DINOv2's weights, for a backbone of that kind.")
@run_options("views")
def views(
    data: tuple[Path, ...],
    held_out: tuple[Path, ...],
    dino_checkpoint: Path | None,
    config: str,
    **flags: Any,
) -> None:
    """Train the model `views`: points, normals and colours of a head from any number of photos.

    The captures need a `mesh.npz` each, as `fastavatar dataset people` makes them.
    """
    from fastavatar.train import ViewsSettings, ViewsTrainee, load_settings

    settings = load_settings(ViewsSettings, config)
    train(
        lambda process: ViewsTrainee((data, held_out), settings, process, dino_checkpoint),
        run_settings(settings, settings.pace, flags),
    )
