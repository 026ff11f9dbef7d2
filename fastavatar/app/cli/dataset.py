"""`fastavatar dataset`: makes data to train networks on."""

import logging
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from fastavatar.app.cli.numbers import FOLDER, SEED, PictureSize, count
from fastavatar.errors import FastAvatarError, UsageError

if TYPE_CHECKING:
    from fastavatar.app.batch import Ended
    from fastavatar.train.people import MeshTask, PersonTask

log = logging.getLogger(__name__)


@click.group("dataset")
def command() -> None:
    """Make data to train networks on."""


@command.command("people")
@click.option("--count", "people", type=count(1), help="Number of people.")
@click.option("--output", required=True, type=FOLDER, metavar="DIR", help="Folder of the captures.")
@click.option("--views", type=count(1, 1000), default=16, show_default=True, help="Pictures of each person.")
@click.option(
    "--size", type=PictureSize(), default="550x802", show_default=True, metavar="WxH", help="Of the pictures."
)
@click.option(
    "--expressions", type=count(1, 100), default=1, show_default=True, help="Captures of each person."
)
@click.option(
    "--cameras",
    type=click.Choice(["nersemble", "circle"]),
    default="nersemble",
    show_default=True,
    help="`nersemble` looks from 48° left to 48° right, from above and below; `circle` from all round.",
)
@click.option(
    "--samples",
    type=count(1, 4096),
    default=25,
    show_default=True,
    help="Light paths of each pixel: four times as many halve the noise and take four times as long.",
)
@click.option("--hdr", type=FOLDER, metavar="DIR", help="Folder of .hdr or .exr light [default: made up].")
@click.option("--meshes", type=FOLDER, metavar="DIR", help="Photograph .obj, .glb and .ply files instead.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Random seed.")
@click.option(
    "--workers", type=count(1, 1024), help="Number of processes, which share the cores [default: 1]."
)
@click.option(
    "--engine", type=click.Choice(["local", "ray"]), default="local", help="`ray` uses a Ray cluster."
)
@click.option("--address", help="Address of the Ray cluster [default: a running one, else one started here].")
def people(people: int | None, output: Path, meshes: Path | None, **flags: Any) -> None:
    """Render people who do not exist, as captures that `refine`, `evaluate` and `train` read.

    Each has a folder with pictures, masks, cameras, points and the true surface. A run that was stopped goes
    on where it was. The same seed gives the same people.
    """
    if (people is None) == (meshes is None):
        raise UsageError("give either the number of people, --count, or a folder of --meshes")
    if flags["address"] and flags["engine"] != "ray":
        raise UsageError("--address is the address of a Ray cluster: give --engine ray with it")
    if meshes and flags["expressions"] > 1:
        raise UsageError("meshes have no expressions: leave out --expressions")

    from fastavatar.train.people import (
        DatasetPlan,
        PictureSettings,
        light_files,
        open_dataset,
        require_mitsuba,
        tasks_of,
        unfinished,
    )

    light = tuple(light_files(flags["hdr"])) if flags["hdr"] else ()
    settings = PictureSettings(flags["views"], flags["size"], flags["cameras"], flags["samples"], light)
    plan = DatasetPlan(output, people or 0, flags["expressions"], meshes, flags["seed"], settings)
    tasks = tasks_of(plan)
    require_mitsuba()
    open_dataset(plan)
    left = unfinished(tasks)
    if len(left) < len(tasks):
        log.info("%d of %d captures are there already", len(tasks) - len(left), len(tasks))
    failed = _make(left, flags["workers"], flags["engine"], flags["address"])
    if failed:
        raise FastAvatarError(f"{failed} of {len(tasks)} captures failed: the lines above say why")
    log.info("%d captures in %s", len(tasks), output)


def _make(
    tasks: "list[PersonTask | MeshTask]",
    workers: int | None,
    engine: Literal["local", "ray"],
    address: str | None,
) -> int:
    """Make the captures, with a bar on a terminal; returns how many failed."""
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    from fastavatar.app.batch import run_jobs, run_jobs_on_ray
    from fastavatar.system import processor_count
    from fastavatar.train.people import make_capture

    many = min(workers or 1, max(len(tasks), 1))
    threads = max(1, processor_count() // many) if engine == "local" else 1
    shared = [replace(task, threads=threads) for task in tasks]
    ended: Iterable[Ended[PersonTask | MeshTask]] = (
        run_jobs(make_capture, shared, many)
        if engine == "local"
        else run_jobs_on_ray(make_capture, shared, threads, address)
    )
    failed = 0
    quiet = not log.isEnabledFor(logging.INFO) or not sys.stderr.isatty()
    with (
        tqdm(total=len(tasks), desc="people", unit="capture", disable=quiet, file=sys.stderr) as bar,
        logging_redirect_tqdm(),
    ):
        for task, error in ended:
            bar.update()
            if error is None:
                log.info("%s", task.folder)
            else:
                failed += 1
                log.error("%s: %s", task.folder.name, error)
    return failed


@command.command("surfaces")
@click.option("--people", "count_", type=count(1), help="Number of people who are rendered first.")
@click.option(
    "--meshes",
    type=FOLDER,
    metavar="DIR",
    help="Folder of captures with a mesh.npz each, or of .obj, .glb and .ply files, which are photographed.",
)
@click.option("--output", required=True, type=FOLDER, metavar="DIR", help="Folder of the subjects.")
@click.option(
    "--points", default=500_000, show_default=True, type=count(1, 10_000_000), help="Points of each set."
)
@click.option("--seed", default=0, show_default=True, type=SEED, help="Random seed.")
@click.pass_context
def surfaces(
    context: click.Context, count_: int | None, meshes: Path | None, output: Path, points: int, seed: int
) -> None:
    """Make signed-distance samples of people: what `train surface` learns from.

    Each subject is a capture, as `dataset people` renders them, with a surface.npz of 25 MB: points on and
    closely about the surface, and as many all around. --output may be the folder of captures itself. A run
    that was stopped goes on where it was; the same seed gives the same bytes.
    """
    if (count_ is None) == (meshes is None):
        raise UsageError("give either the number of --people or a folder of --meshes")

    from fastavatar.train.surfaces import has_captures, make_all

    if meshes is None or not has_captures(meshes):
        context.invoke(people, people=count_, meshes=meshes, output=output, seed=seed)
        meshes = output
    made = make_all(
        meshes, output, seed, points, on_subject=lambda name: log.info("%s has its samples", name)
    )
    log.info("%d subjects in %s", made, output)
