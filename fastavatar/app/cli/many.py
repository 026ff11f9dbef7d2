"""The part of `batch`, and of `predict` with many photos, that concerns the command line."""

import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import click

from fastavatar.app.cli.numbers import FILE_AS_TEXT, count
from fastavatar.errors import FastAvatarError

if TYPE_CHECKING:
    from fastavatar.app.batch import Row, Tally
    from fastavatar.app.settings import Settings

log = logging.getLogger(__name__)

_FLAGS = (
    click.option("--resume", is_flag=True, help="Go on with an earlier run: results that are complete stay."),
    click.option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        help="`ray` works on a Ray cluster, which has to see photos and results under the same names.",
    ),
    click.option("--address", help="The Ray cluster's [default: one that is there, else this machine]."),
    click.option("--limit", type=count(1, 1_000_000_000), help="How many photos at most: the first ones."),
    click.option(
        "--workers",
        type=count(1, 1024),
        help="Processes, at most one per photo [default: one per core, or per GPU].",
    ),
)


@dataclass(frozen=True)
class ManyFlags:
    """What the flags of `many_options` were given."""

    resume: bool
    engine: Literal["local", "ray"]
    address: str | None
    limit: int | None
    workers: int | None


def many_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags that only many photos need."""
    for option in reversed(_FLAGS):
        command = option(command)
    return command


def output_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--output_dir`, which may be an address."""
    text = "Where the results go."
    return click.option(
        "--output_dir", type=FILE_AS_TEXT, metavar="PATH", default="results", show_default=True, help=text
    )(command)


def take_many(flags: dict[str, Any]) -> ManyFlags:
    """Take what `many_options` adds out of a command's flags."""
    return ManyFlags(**{one.name: flags.pop(one.name) for one in fields(ManyFlags)})


def require_none(many: ManyFlags) -> None:
    """Raise `click.UsageError` for flags of many photos where there is one."""
    given = [f"--{name}" for name, value in asdict(many).items() if value not in (None, False, "local")]
    if given:
        raise click.UsageError(f"{', '.join(given)}: --image names one photo; give a folder, pattern or list")


def run_many(image: str, output_dir: str, settings: "Settings", force: bool, many: ManyFlags) -> None:
    """Work off all photos that `image` stands for, with a bar.

    Raises `FastAvatarError` where photos failed or folders could not be searched, and what `run` raises.
    """
    from fastavatar.app.batch import LINES, Plan, join, list_work, run

    if force and many.resume:
        raise click.UsageError("--force begins again, --resume goes on: give one of them")
    settings.outputs.require_possible()
    if many.address and many.engine != "ray":
        raise click.UsageError("--address is that of a Ray cluster: --engine ray")
    mode: Literal["new", "resume", "force"] = "force" if force else "resume" if many.resume else "new"
    plan = Plan(image, output_dir, many.limit, mode, many.workers, many.engine, many.address)
    work = list_work(plan)  # before signals are caught: nothing is in hand yet that would have to be finished
    with stop_asked() as stop, photo_bar() as on_row:
        tally = run(plan, work.tasks, settings, on_row, lambda: bool(stop))
    earlier = f", {tally.kept} of them by an earlier run" if tally.kept else ""
    log.info("%d of %d photos done%s, in %s", tally.kept + tally.done, tally.total, earlier, output_dir)
    if stop:
        sys.exit(128 + stop[0])
    if tally.failed:
        raise FastAvatarError(f"{tally.failed} of {tally.total} photos failed: see {join(output_dir, LINES)}")
    if work.unreadable:
        others = f" and {len(work.unreadable) - 1} more folders" if len(work.unreadable) > 1 else ""
        raise FastAvatarError(
            f"photos may be missing, cannot read {work.unreadable[0]}{others}: allow reading "
            "them, then --resume"
        )


@contextmanager
def photo_bar() -> Iterator[Callable[["Row | None", "Tally"], None]]:
    """A bar on stderr with rate and time left, where stderr is a terminal; failures are logged above it."""
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    quiet = not log.isEnabledFor(logging.INFO) or not sys.stderr.isatty()
    bar = tqdm(total=0, unit="photo", disable=quiet, file=sys.stderr, dynamic_ncols=True)
    with bar, logging_redirect_tqdm([logging.getLogger("fastavatar")]):

        def on_row(row: "Row | None", tally: "Tally") -> None:
            bar.total = tally.total - tally.kept  # so that the rate is this run's
            bar.set_postfix(failed=tally.failed, refresh=row is None)
            if row is not None:
                if row.status == "failed":
                    log.warning("%s: %s", row.photo, row.error)
                bar.update()

        yield on_row


@contextmanager
def stop_asked() -> Iterator[list[int]]:
    """A list that receives the signal that asks to stop; a second signal ends the process at once."""
    asked: list[int] = []
    known_signals = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP")]
    before = {number: signal.getsignal(number) for number in known_signals if number is not None}
    before = {number: handler for number, handler in before.items() if handler != signal.SIG_IGN}

    def ask(number: int, frame: object) -> None:
        asked.append(number)
        for known, handler in before.items():
            signal.signal(known, handler)
        log.warning("stopping when the photos in hand are done; once more stops at once")

    for number in before:
        signal.signal(number, ask)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
