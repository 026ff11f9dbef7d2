"""The flags, the progress bar and the signals of `batch`, and of `predict` with many photos."""

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
    click.option("--resume", is_flag=True, help="Continue an earlier run: complete results stay."),
    click.option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        help="`ray` uses a Ray cluster, whose machines must see photos and results under the same paths.",
    ),
    click.option(
        "--address",
        help="Address of the Ray cluster [default: a running one, else one started on this machine].",
    ),
    click.option(
        "--limit", type=count(1, 1_000_000_000), help="Process only this many photos, the first ones."
    ),
    click.option(
        "--workers",
        type=count(1, 1024),
        help="Number of processes, at most one per photo [default: one per core, or per GPU].",
    ),
)


@dataclass(frozen=True)
class ManyFlags:
    """The values of the flags of `many_options`."""

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
    """Remove the flags of `many_options` from a command's `flags` and return them."""
    return ManyFlags(**{one.name: flags.pop(one.name) for one in fields(ManyFlags)})


def require_none(many: ManyFlags) -> None:
    """Raise `click.UsageError` if a flag for many photos is given with one photo."""
    given = [f"--{name}" for name, value in asdict(many).items() if value not in (None, False, "local")]
    if given:
        raise click.UsageError(f"{', '.join(given)}: --image names one photo; give a folder, pattern or list")


def run_many(image: str, output_dir: str, settings: "Settings", force: bool, many: ManyFlags) -> None:
    """Process all photos that `image` stands for, with a progress bar.

    Raises `FastAvatarError` where photos failed or folders could not be searched, and what `run` raises.
    """
    from fastavatar.app.batch import LINES, Plan, join, list_work, run

    if force and many.resume:
        raise click.UsageError("--force starts again, --resume continues: give only one of them")
    settings.outputs.require_possible()
    if many.address and many.engine != "ray":
        raise click.UsageError("--address is the address of a Ray cluster: give --engine ray with it")
    mode: Literal["new", "resume", "force"] = "force" if force else "resume" if many.resume else "new"
    plan = Plan(image, output_dir, many.limit, mode, many.workers, many.engine, many.address)
    work = list_work(plan)  # before signals are caught, as there are no photos yet to finish
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
            f"photos may be missing, cannot read {work.unreadable[0]}{others}: make them "
            "readable, then use --resume"
        )


@contextmanager
def photo_bar() -> Iterator[Callable[["Row | None", "Tally"], None]]:
    """A bar on stderr with rate and time left, if stderr is a terminal; failures are logged above it."""
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    quiet = not log.isEnabledFor(logging.INFO) or not sys.stderr.isatty()
    bar = tqdm(total=0, unit="photo", disable=quiet, file=sys.stderr, dynamic_ncols=True)
    with bar, logging_redirect_tqdm([logging.getLogger("fastavatar")]):

        def on_row(row: "Row | None", tally: "Tally") -> None:
            bar.total = tally.total - tally.kept  # the rate is that of this run
            bar.set_postfix(failed=tally.failed, refresh=row is None)
            if row is not None:
                if row.status == "failed":
                    log.warning("%s: %s", row.photo, row.error)
                bar.update()

        yield on_row


@contextmanager
def stop_asked() -> Iterator[list[int]]:
    """Yield a list that gets the number of the first stopping signal; a second one ends the process."""
    asked: list[int] = []
    known_signals = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP")]
    before = {number: signal.getsignal(number) for number in known_signals if number is not None}
    before = {number: handler for number, handler in before.items() if handler != signal.SIG_IGN}

    def ask(number: int, frame: object) -> None:
        asked.append(number)
        for known, handler in before.items():
            signal.signal(known, handler)
        log.warning("stopping after the photos now in progress; a second signal stops at once")

    for number in before:
        signal.signal(number, ask)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
