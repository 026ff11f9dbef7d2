"""Groups of flags that several commands share."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from fastavatar.app.cli.numbers import FILE, FILE_AS_TEXT, VIEW_INDEX, count

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def path_option(flag: str, text: str, name: str | None = None, **more: Any) -> Decorator:
    """A flag that takes a file or folder; the command's parameter has the flag's name, or `name`."""
    declared = (flag, name) if name else (flag,)
    return click.option(*declared, type=FILE, help=text, **more)


def device_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--device`."""
    text = "cpu, cuda, cuda:N, mps (published networks), or auto: CUDA if there is a device, else the CPU."
    return click.option("--device", default="auto", show_default=True, metavar="DEVICE", help=text)(command)


def inputs_option(text: str) -> Decorator:
    """`--input`, which can be repeated; the command's parameter is `inputs`."""
    more = "; repeat for several, or `all`."
    return click.option(
        "--input", "inputs", required=True, multiple=True, type=VIEW_INDEX, metavar="N|all", help=text + more
    )


CAPTURE = "Capture: its folder, a transforms.json of any name, or a COLMAP model's folder."


def timestep_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--timestep`; None unless it is given."""
    text = "Time step of a capture that is a sequence [default: the first]."
    return click.option("--timestep", type=count(), help=text)(command)


def log_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--quiet` and `--verbose`, which take effect at once and do not reach the command."""

    def take_effect(context: click.Context, parameter: click.Parameter, on: bool) -> None:
        if on:
            from fastavatar.app.cli.logs import set_up_logs

            set_up_logs(quiet=parameter.name == "quiet", verbose=parameter.name == "verbose")

    quiet = click.option(
        "--quiet",
        "-q",
        is_flag=True,
        expose_value=False,
        callback=take_effect,
        help="Show only warnings and errors.",
    )
    verbose = click.option(
        "--verbose",
        "-v",
        is_flag=True,
        expose_value=False,
        callback=take_effect,
        help="Show details of every step.",
    )
    return quiet(verbose(command))


DEFAULT_CONFIG = (
    "[default: published where its weights are in the cache or given; else direct, or direct_several for "
    "3 views or more]"
)
_CACHE = (
    path_option("--cache_dir", "Where weights are kept [default: $FASTAVATAR_CACHE or ~/.cache/fastavatar]."),
    click.option("--offline", is_flag=True, help="Fetch nothing."),
)
_WHOSE_W = (
    path_option("--encoder_checkpoint", "Identity encoder of the published networks."),
    path_option("--decoder_checkpoint", "Decoder of the published networks."),
    path_option("--embedding", "A face embedding (512,) as .npy, instead of running InsightFace."),
    path_option("--w_vector", "A W vector (512,) as .npy, instead of the identity encoder."),
    path_option("--recogniser", "Face recogniser (.onnx) instead of InsightFace's, if trained with it."),
    click.option("--face_pack", type=FILE_AS_TEXT, help="InsightFace's pack of models [default: buffalo_l]."),
)
_SH_REFIT = click.option(
    "--sh_refit",
    type=click.Choice(["auto", "off"]),
    help="`auto` refits the published networks' colours so that they hold beyond the views of the training; "
    "`off` leaves them as published [default: auto].",
)
_WHERE_FROM = (
    path_option("--dino_checkpoint", "Point predictor of the published networks."),
    click.option(
        "--crop",
        type=click.Choice(["auto", "none"]),
        help="`auto` frames the head on white; `none` takes the whole photo, as published [default: auto].",
    ),
    click.option(
        "--precision",
        type=click.Choice(["auto", "float32", "bfloat16"]),
        help="Number format of the networks; `auto` is float32 on a CPU, bfloat16 on CUDA [default: auto].",
    ),
)


def cache_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--cache_dir` and `--offline`."""
    return _with(_CACHE, command)


def guided_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Flags of the published networks for known points; each is None unless it is given."""
    return _with(_WHOSE_W, command)


def sh_refit_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--sh_refit`, which is None unless it is given."""
    return _with((_SH_REFIT,), command)


def published_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """All flags of the published networks; each is None unless it is given."""
    return _with((*_WHOSE_W, *_WHERE_FROM, _SH_REFIT), command)


def _with(options: Sequence[Decorator], command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command
