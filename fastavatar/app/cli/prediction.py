"""The flags of all commands that turn photos into heads, and the settings made from them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from fastavatar.app.cli.colors import parse_color
from fastavatar.app.cli.numbers import FACE, FILE_AS_TEXT, SEED, THREADS, count, finite
from fastavatar.app.cli.options import cache_options, device_option, path_option, published_options

if TYPE_CHECKING:
    from fastavatar.app.settings import Settings

MODELS = ("auto", "facemesh", "fastavatar", "surface", "views")
FRAMES = ("supersplat", "opencv", "head")
MESH_KINDS = ("glb", "obj", "ply", "stl")

_ABOUT_THE_MODEL = (
    click.option(
        "--model",
        default="auto",
        show_default=True,
        type=click.Choice(MODELS),
        help="`facemesh` needs no download, `fastavatar` uses the published networks, `surface` and `views` "
        "networks that `train` made; `auto` is the one whose checkpoint is given, else `fastavatar` if its "
        "weights are in the cache.",
    ),
    device_option,
    click.option("--seed", default=42, show_default=True, type=SEED, help="Random seed."),
    click.option("--threads", type=THREADS, help="CPU threads [default: all this process may use]."),
    cache_options,
    published_options,
    path_option("--surface_checkpoint", "Network of the model `surface`: model/surface.pth of its training."),
    path_option("--views_checkpoint", "Network of the model `views`: model/views.pth of its training."),
)
_ABOUT_THE_PHOTO = (
    click.option(
        "--face", type=FACE, help="Index of the face, counted from the left, from 0 [default: the largest]."
    ),
    click.option(
        "--focal_px",
        type=finite(0, above=True),
        help="Focal length in pixels [default: from EXIF, else fitted: a face about a metre away].",
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
        help="What --optimize does: a preset or a YAML file [default: published for the published "
        "networks, else photo].",
    ),
    click.option(
        "--iterations", type=count(1), help="Number of steps of --optimize [default: the configuration's]."
    ),
    click.option(
        "--seconds",
        type=finite(0, above=True),
        help="Time limit of --optimize; the best result so far is kept.",
    ),
)
_ABOUT_THE_RESULTS = (
    click.option(
        "--frame", default="supersplat", show_default=True, type=click.Choice(FRAMES), help="Axes of the PLY."
    ),
    click.option("--no_save_ply", is_flag=True, help="Do not write splats.ply and head.npz."),
    click.option("--turntable", is_flag=True, help="Also write turntable.mp4: one turn around the head."),
    click.option(
        "--background",
        default="white",
        show_default=True,
        metavar="NAME|R,G,B",
        help="Background colour of preview and turntable.",
    ),
    click.option(
        "--check_identity",
        is_flag=True,
        help="Compare head and photo by InsightFace's recogniser, if its pack is here; the result is in "
        "summary.json.",
    ),
    click.option(
        "--mesh",
        type=click.Choice(MESH_KINDS),
        help="Also write head.glb, .obj, .ply or .stl: a closed mesh. The first has ARKit's 52 shapes "
        "and a skeleton.",
    ),
    click.option("--viewer", is_flag=True, help="Also write head.html: a page to open in a browser."),
)


def prediction_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags for photo, results and model; `settings_of` turns their values into settings."""
    for option in reversed((*_ABOUT_THE_PHOTO, *_ABOUT_THE_RESULTS, *_ABOUT_THE_MODEL)):
        command = option(command)
    return command


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags for the model alone, for commands that get the other choices in another way."""
    for option in reversed(_ABOUT_THE_MODEL):
        command = option(command)
    return command


@dataclass(frozen=True)
class PredictionFlags:
    """The values of the flags of `prediction_options`, without those of the published networks.

    The defaults are for commands that have only the flags of `model_options`.
    """

    model: Literal["auto", "facemesh", "fastavatar", "surface", "views"]
    device: str
    seed: int
    threads: int | None
    cache_dir: Path | None
    offline: bool
    surface_checkpoint: Path | None = None
    views_checkpoint: Path | None = None
    face: int | None = None
    focal_px: float | None = None
    optimize: bool = False
    config: str | None = None
    iterations: int | None = None
    seconds: float | None = None
    frame: Literal["supersplat", "opencv", "head"] = "supersplat"
    no_save_ply: bool = False
    turntable: bool = False
    viewer: bool = False
    mesh: Literal["glb", "obj", "ply", "stl"] | None = None
    background: str = "white"
    shoulders: bool = True
    check_identity: bool = False


def settings_of(**given: Any) -> "Settings":
    """The settings for the values of the flags of `prediction_options`, or of `model_options` alone.

    Raises `click.UsageError` for flags that contradict each other, `UsageError` for an unknown background
    colour.
    """
    from fastavatar.app.settings import Optimization, Settings
    from fastavatar.models.published import PublishedOptions
    from fastavatar.results import Outputs

    names = {one.name for one in fields(PredictionFlags)} & given.keys()
    flags = PredictionFlags(**{name: given.pop(name) for name in names})
    published = PublishedOptions(**given)
    own = {"surface": flags.surface_checkpoint, "views": flags.views_checkpoint}
    for name, checkpoint in own.items():
        if checkpoint is not None and flags.model not in ("auto", name):
            raise click.UsageError(f"--model {flags.model} does not take --{name}_checkpoint")
        if flags.model == name and checkpoint is None:
            raise click.UsageError(
                f"--model {name} needs --{name}_checkpoint: `fastavatar train {name}` makes one"
            )
    if None not in own.values():
        raise click.UsageError("--surface_checkpoint and --views_checkpoint are of two models: give one")
    if flags.model in ("facemesh", *own) and (others := published.given()):
        raise click.UsageError(
            f"--model {flags.model} does not take {', '.join('--' + name for name in others)}"
        )
    if not flags.optimize and (flags.config or flags.iterations or flags.seconds):
        raise click.UsageError("--config, --iterations and --seconds need --optimize")
    steps = Optimization(flags.config, flags.iterations, flags.seconds)
    color = parse_color(flags.background)
    return Settings(
        model=flags.model,
        model_reason="chosen with --model",
        device=flags.device,
        seed=flags.seed,
        threads=flags.threads,
        face=flags.face,
        focal_px=flags.focal_px,
        optimization=steps if flags.optimize else None,
        shoulders=flags.shoulders,
        check_identity=flags.check_identity,
        outputs=Outputs(
            flags.frame,
            save_ply=not flags.no_save_ply,
            save_head=not flags.no_save_ply,
            turntable=flags.turntable,
            viewer=flags.viewer,
            mesh=flags.mesh,
            background=color,
        ),
        cache_dir=flags.cache_dir,
        offline=flags.offline,
        published=published,
        surface_checkpoint=flags.surface_checkpoint,
        views_checkpoint=flags.views_checkpoint,
    )


@contextmanager
def naming_force() -> Iterator[None]:
    """Add the flag `--force` to the error about existing results."""
    from fastavatar.results import ResultsExist

    try:
        yield
    except ResultsExist as error:
        raise ResultsExist(f"{error} with --force") from error
