"""`fastavatar evaluate`: measures on a calibrated capture how accurate an avatar is."""

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastavatar.app.cli.numbers import FILE_AS_TEXT, SEED, count
from fastavatar.app.cli.options import (
    CAPTURE,
    DEFAULT_CONFIG,
    cache_options,
    device_option,
    guided_options,
    inputs_option,
    path_option,
    timestep_option,
)
from fastavatar.app.cli.outputs import require_outputs
from fastavatar.errors import UsageError

if TYPE_CHECKING:
    from fastavatar.captures import Capture
    from fastavatar.evaluation import Options

log = logging.getLogger(__name__)

# Named here so that `--help` need not import torch; `fastavatar.evaluation.METHODS` must hold the same.
METHODS = ("guided", "photo", "surface", "views", "white", "input")
MAX_INPUTS_NAMED = 20
"""More input views than this are counted, not listed, in the contact sheet's name, which has to be short."""


@click.command("evaluate")
@path_option("--capture", CAPTURE, "folder", required=True)
@click.option(
    "--method", required=True, type=click.Choice(METHODS), help="How the answer is made; see above."
)
@inputs_option("Index of a view that the method gets")
@path_option("--json", "Write the figures to this file.", "json_path")
@path_option("--images", "Write a contact sheet into this folder.", "images_folder")
@click.option("--metric_only", is_flag=True, help="Write no images, even with --images.")
@device_option
@click.option(
    "--config", type=FILE_AS_TEXT, help=f"How `guided` optimises: a preset or a YAML file {DEFAULT_CONFIG}."
)
@click.option(
    "--iterations",
    type=count(),
    help="Number of optimisation steps; 0 shows what `guided` starts from: with the published networks, "
    "their feed-forward answer.",
)
@click.option("--seed", default=0, show_default=True, type=SEED, help="Random seed.")
@path_option("--surface_checkpoint", "Network of `surface`: model/surface.pth of its training.")
@path_option("--views_checkpoint", "Network of `views`: model/views.pth of its training.")
@cache_options
@guided_options
@timestep_option
@click.option("--force", is_flag=True, help="Replace existing files.")
def command(
    folder: Path,
    method: str,
    inputs: tuple[str, ...],
    json_path: Path | None,
    images_folder: Path | None,
    force: bool,
    **more: Any,
) -> None:
    """Compare an answer with every view of a capture: PSNR, SSIM, LPIPS, own view, and errors in mm.

    Methods: `guided` knows the capture's points and cameras and sees the input views; `photo` sees the input
    views and the camera of the first; `surface` sees one, `views` any number, with networks that `train`
    made; `white` (a blank picture) and `input` (the nearest input view) are trivial baselines. Prints a
    table; views marked * are input views and do not count in the mean. Regions: the whole picture, the
    person's mask (_masked) and, with FLAME points, the head without shoulders (_head). Errors in mm need a
    mesh or FLAME points.
    """
    from fastavatar.captures import read_capture
    from fastavatar.evaluation import contact_sheet, evaluate

    metric_only, timestep = more.pop("metric_only"), more.pop("timestep")
    options = _options(method, more)
    capture = read_capture(folder, timestep=timestep)
    chosen = parse_inputs(inputs, len(capture.views))
    sheet_path = None
    if images_folder is not None and not metric_only:
        sheet_path = images_folder / sheet_name(capture, method, chosen)
    require_outputs([path for path in (json_path, sheet_path) if path is not None], force, capture.files)
    report = evaluate(capture, method, chosen, options)
    click.echo(report.table())
    if json_path is not None:
        text = json.dumps(report.to_json(), indent=1, allow_nan=False) + "\n"
        _write(json_path, force, lambda partial: partial.write_text(text, "utf-8"))
    if sheet_path is not None:
        sheet = contact_sheet(capture, report)
        _write(sheet_path, force, lambda partial: sheet.save(partial, "PNG"))


def _options(method: str, given: dict[str, Any]) -> "Options":
    """The method's options; flags not named here belong to the published networks."""
    from fastavatar.evaluation import Options
    from fastavatar.models.choice import choose_device
    from fastavatar.models.published import PublishedOptions

    names = ("seed", "iterations", "config", "cache_dir", "offline", "surface_checkpoint", "views_checkpoint")
    known = {name: given[name] for name in names}
    published = PublishedOptions(
        **{name: value for name, value in given.items() if name not in (*names, "device")}
    )
    for name in ("surface", "views"):
        if method != name and known[f"{name}_checkpoint"] is not None:
            raise UsageError(f"--method {method} takes no --{name}_checkpoint")
    if method != "guided" and (published.given() or known["config"] is not None):
        raise UsageError(f"--method {method} takes no --config and no published networks")
    return Options(device=choose_device(given["device"]), published=published, **known)


def sheet_name(capture: "Capture", method: str, inputs: Sequence[int]) -> str:
    """The contact sheet's file name: capture, method and input views."""
    if len(inputs) == len(capture.views):
        given = "all"
    elif len(inputs) <= MAX_INPUTS_NAMED:
        given = "-".join(f"{index:02d}" for index in inputs)
    else:
        given = f"{len(inputs)}_views"
    return f"{capture.folder.resolve().name[:100]}_{method}_{given}.png"


def _write(path: Path, force: bool, write: Callable[[Path], object]) -> None:
    """Write `path` as a whole, with the folders above it."""
    from fastavatar.system import replacing

    with replacing(path, overwrite=force) as partial:
        write(partial)
    log.info("wrote %s", path)


def parse_inputs(inputs: tuple[str, ...], count: int) -> tuple[int, ...]:
    """View indices from the values of `--input`; raises `UsageError` for anything but N or all."""
    if "all" in inputs:
        return tuple(range(count))
    try:
        return tuple(int(text) for text in inputs)
    except ValueError as error:
        raise UsageError(f"--input takes a view's number or 'all', found {' '.join(inputs)!r}") from error
