"""`fastavatar evaluate`: how true an avatar is, measured on a calibrated capture."""

import json
import logging
from pathlib import Path
from typing import Any

import click

from fastavatar.app.cli.numbers import FILE_AS_TEXT, SEED, VIEW_INDEX, count
from fastavatar.app.cli.options import (
    DEFAULT_CONFIG,
    cache_options,
    device_option,
    guided_options,
    path_option,
)
from fastavatar.errors import UsageError

log = logging.getLogger(__name__)

# Named here so that `--help` need not import torch; `fastavatar.evaluation.METHODS` must hold the same.
METHODS = ("guided", "photo", "white", "input")


@click.command("evaluate")
@path_option("--capture", "Capture folder.", "folder", required=True)
@click.option("--method", required=True, type=click.Choice(METHODS), help="What answers it.")
@click.option(
    "--input",
    "inputs",
    required=True,
    multiple=True,
    type=VIEW_INDEX,
    metavar="N|all",
    help="Index of a view the method is given; repeat for several, or `all`.",
)
@path_option("--json", "Write the figures here.", "json_path")
@path_option("--images", "Write a contact sheet here.", "images_folder")
@click.option("--metric_only", is_flag=True, help="Write no images, even with --images.")
@device_option
@click.option(
    "--config", type=FILE_AS_TEXT, help=f"How `guided` optimises: a preset or a YAML file {DEFAULT_CONFIG}."
)
@click.option(
    "--iterations",
    type=count(),
    help="Optimisation steps, where there are any; 0 shows what `guided` begins with: with the published "
    "networks, their feed-forward answer.",
)
@click.option("--seed", default=0, show_default=True, type=SEED, help="Of every random choice.")
@cache_options
@guided_options
def command(
    folder: Path,
    method: str,
    inputs: tuple[str, ...],
    json_path: Path | None,
    images_folder: Path | None,
    metric_only: bool,
    device: str,
    config: str | None,
    iterations: int | None,
    seed: int,
    cache_dir: Path | None,
    offline: bool,
    **published: Any,
) -> None:
    """Compare an answer with every view of a capture: PSNR, SSIM, LPIPS, and mm where there is a mesh.

    Methods: `guided` knows the capture's points and cameras and sees the input views; `photo` sees one input
    view and its camera; `white` and `input` are the trivial floors.
    Prints a table; the views marked * were input and do not count in the mean.
    """
    from fastavatar.captures import read_capture
    from fastavatar.evaluation import Options, evaluate
    from fastavatar.evaluation.contact_sheet import contact_sheet
    from fastavatar.models.choice import choose_device

    weights = {name: value for name, value in published.items() if value is not None}
    if method != "guided" and (weights or config is not None):
        raise click.UsageError(f"--method {method} takes no --config and no published networks")
    capture = read_capture(folder)
    chosen = parse_inputs(inputs, len(capture.views))
    options = Options(choose_device(device), seed, iterations, config, cache_dir, offline, weights)
    report = evaluate(capture, method, chosen, options)
    click.echo(report.table())
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(report.to_json(), indent=1, allow_nan=False) + "\n", "utf-8")
        log.info("wrote %s", json_path)
    if images_folder is not None and not metric_only:
        images_folder.mkdir(parents=True, exist_ok=True)
        given = "all" if len(chosen) == len(capture.views) else "-".join(f"{index:02d}" for index in chosen)
        sheet_path = images_folder / f"{report.capture}_{method}_{given}.png"
        contact_sheet(capture, report).save(sheet_path)
        log.info("wrote %s", sheet_path)


def parse_inputs(inputs: tuple[str, ...], count: int) -> tuple[int, ...]:
    """View indices from what was given for `--input`; raises `UsageError` for anything but N or all."""
    if "all" in inputs:
        return tuple(range(count))
    try:
        return tuple(int(text) for text in inputs)
    except ValueError as error:
        raise UsageError(f"--input takes a view's number or 'all', found {' '.join(inputs)!r}") from error
