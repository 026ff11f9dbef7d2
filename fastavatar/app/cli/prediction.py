"""The flags of everything that turns photos into heads, and the settings they stand for."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastavatar.app.cli.colors import parse_color
from fastavatar.app.cli.numbers import FACE, FILE_AS_TEXT, SEED, THREADS, count, finite
from fastavatar.app.cli.options import cache_options, device_option, published_options

if TYPE_CHECKING:
    from fastavatar.app.settings import Settings

MODELS = ("auto", "facemesh", "fastavatar")
FRAMES = ("supersplat", "opencv", "head")

_ABOUT_THE_MODEL = (
    click.option(
        "--model",
        default="auto",
        show_default=True,
        type=click.Choice(MODELS),
        help="`facemesh` needs no download, `fastavatar` are the published networks; `auto` takes these if "
        "their weights are in the cache or given.",
    ),
    device_option,
    click.option("--seed", default=42, show_default=True, type=SEED, help="Of every random choice."),
    click.option("--threads", type=THREADS, help="CPU threads [default: all this process may use]."),
    cache_options,
    published_options,
)
_ABOUT_THE_PHOTO = (
    click.option("--face", type=FACE, help="Which face, from the left, from 0 [default: the largest]."),
    click.option(
        "--focal_px",
        type=finite(0, above=True),
        help="Focal length in pixels [default: from EXIF, else that of a 50 mm lens on full frame].",
    ),
    click.option(
        "--shoulders/--no_shoulders",
        default=True,
        show_default=True,
        help="Keep the torso, or end at the neck.",
    ),
    click.option("--optimize", is_flag=True, help="Refine the Gaussians on the photo itself; takes longer."),
    click.option(
        "--config",
        type=FILE_AS_TEXT,
        help="How --optimize does it: a preset or a YAML file [default: published for the published "
        "networks, else direct].",
    ),
    click.option("--iterations", type=count(1), help="Steps of --optimize [default: the configuration's]."),
    click.option(
        "--seconds",
        type=finite(0, above=True),
        help="End --optimize after so long, with the best so far.",
    ),
)
_ABOUT_THE_RESULTS = (
    click.option(
        "--frame", default="supersplat", show_default=True, type=click.Choice(FRAMES), help="Axes of the PLY."
    ),
    click.option("--no_save_ply", is_flag=True, help="Write no splats.ply."),
    click.option("--turntable", is_flag=True, help="Write turntable.mp4 as well: one round about the head."),
    click.option(
        "--background",
        default="white",
        show_default=True,
        metavar="NAME|R,G,B",
        help="Behind what is drawn: preview and turntable.",
    ),
    click.option(
        "--check_identity",
        is_flag=True,
        help="Compare head and photo by InsightFace's recogniser, where its pack is here; into summary.json.",
    ),
    click.option("--viewer", is_flag=True, help="Write head.html as well: a page to open in a browser."),
)


def prediction_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Flags of photo, results and model; `settings_of` makes settings of what they take."""
    for option in reversed((*_ABOUT_THE_PHOTO, *_ABOUT_THE_RESULTS, *_ABOUT_THE_MODEL)):
        command = option(command)
    return command


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Flags of the model alone, for commands that hear of photo and results in another way."""
    for option in reversed(_ABOUT_THE_MODEL):
        command = option(command)
    return command


def settings_of(
    *,
    model: Any,
    device: str,
    seed: int,
    threads: int | None,
    cache_dir: Path | None,
    offline: bool,
    face: int | None = None,
    focal_px: float | None = None,
    optimize: bool = False,
    config: str | None = None,
    iterations: int | None = None,
    seconds: float | None = None,
    frame: Any = "supersplat",
    no_save_ply: bool = False,
    turntable: bool = False,
    viewer: bool = False,
    background: str = "white",
    shoulders: bool = True,
    check_identity: bool = False,
    **published: Any,
) -> "Settings":
    """The settings that the flags of `prediction_options`, or of `model_options` alone, stand for.

    Raises `click.UsageError` for flags that contradict each other, `UsageError` for what is no colour.
    """
    from fastavatar.app.settings import Optimization, Settings
    from fastavatar.results.outputs import Outputs

    given = {name: value for name, value in published.items() if value is not None}
    if model == "facemesh" and given:
        raise click.UsageError(f"--model facemesh does not take {', '.join('--' + name for name in given)}")
    if not optimize and (config or iterations or seconds):
        raise click.UsageError("--config, --iterations and --seconds belong to --optimize")
    return Settings(
        model=model,
        device=device,
        seed=seed,
        threads=threads,
        face=face,
        focal_px=focal_px,
        optimization=Optimization(config, iterations, seconds) if optimize else None,
        shoulders=shoulders,
        check_identity=check_identity,
        outputs=Outputs(frame, not no_save_ply, turntable, viewer, parse_color(background)),
        cache_dir=cache_dir,
        offline=offline,
        published=given,
    )
