"""Groups of flags that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def path_option(flag: str, text: str, name: str | None = None, **more: Any) -> Decorator:
    """A flag that takes a file or folder; the command's parameter is called like it, or `name`."""
    declared = (flag, name) if name else (flag,)
    return click.option(*declared, type=click.Path(path_type=Path), help=text, **more)


def device_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--device`."""
    text = "cpu, cuda, cuda:N, or auto: CUDA where it is."
    return click.option("--device", default="auto", show_default=True, metavar="DEVICE", help=text)(command)


def log_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--quiet` and `--verbose`, which take effect at once and do not reach the command."""

    def take_effect(context: click.Context, parameter: click.Parameter, on: bool) -> None:
        if on:
            from fastavatar.cli.logs import set_up_logs

            set_up_logs(quiet=parameter.name == "quiet", verbose=parameter.name == "verbose")

    quiet = click.option(
        "--quiet",
        "-q",
        is_flag=True,
        expose_value=False,
        callback=take_effect,
        help="Only warnings and errors.",
    )
    verbose = click.option(
        "--verbose",
        "-v",
        is_flag=True,
        expose_value=False,
        callback=take_effect,
        help="Details of every step.",
    )
    return quiet(verbose(command))


def published_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What only the published networks understand; None where a user does not give it."""
    for option in reversed(
        [
            path_option("--encoder_checkpoint", "Identity encoder of the published networks."),
            path_option("--decoder_checkpoint", "Their decoder."),
            path_option("--dino_checkpoint", "Their point predictor."),
            path_option("--embedding", "A face embedding (512,) as .npy, instead of running InsightFace."),
            path_option("--w_vector", "A W vector (512,) as .npy, decoded as it is."),
            click.option("--face_pack", help="InsightFace's pack of models [default: buffalo_l]."),
            click.option(
                "--crop",
                type=click.Choice(["auto", "none"]),
                help="`auto` frames the head on white; `none` takes the whole photo, as published "
                "[default: auto].",
            ),
            click.option(
                "--precision",
                type=click.Choice(["auto", "float32", "bfloat16"]),
                help="Of the networks; `auto` is float32 on a CPU, bfloat16 on CUDA [default: auto].",
            ),
        ]
    ):
        command = option(command)
    return command
