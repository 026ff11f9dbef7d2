"""`fastavatar directions`: fits directions in W, along which an attribute of people grows."""

import json
import logging
import re
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastavatar.app.cli.numbers import FILE, FOLDER, SEED
from fastavatar.app.cli.options import path_option
from fastavatar.app.cli.outputs import require_outputs
from fastavatar.errors import InputError, OverwriteError, UsageError

if TYPE_CHECKING:
    from fastavatar.train import Direction, LabelledPeople

log = logging.getLogger(__name__)

MARK = "fastavatar directions fit"
"""Stands in the file of facts, by which later runs know that they may replace it and the direction beside."""
_NAMES_SHOWN = 3


@click.group("directions")
def command() -> None:
    """Find the directions in W along which attributes of people grow, for `fastavatar edit`."""


@command.command()
@click.option(
    "--w",
    "folder",
    type=FOLDER,
    required=True,
    help="People: folders of results with a w_vector.npy each, or files NAME.npy.",
)
@click.option(
    "--labels",
    "table",
    type=FILE,
    required=True,
    help="CSV: a first line such as name,smile,age, then a line for each person; yes or no, or numbers.",
)
@click.option(
    "--label", "wanted", multiple=True, help="Column to fit; repeat for several [default: all columns]."
)
@path_option("--output_dir", "Where NAME.npy and NAME.json go.", default="directions", show_default=True)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Decides who is in which fold.")
@click.option("--force", is_flag=True, help="Replace directions that exist.")
def fit(folder: Path, table: Path, wanted: tuple[str, ...], output_dir: Path, seed: int, force: bool) -> None:
    """Fit a direction for each column of a table: ridge regression for numbers, logistic for yes or no.

    The scores are those of people who had no part in the fit, in five folds. Either all files are written or
    none.
    """
    from fastavatar.system import replacing_all
    from fastavatar.train import fit_direction, read_labelled

    people = read_labelled(folder, table)
    names = _columns(people, wanted, table)
    targets = [output_dir / f"{name}{ending}" for name in names for ending in (".npy", ".json")]
    require_outputs(targets, force, [table, *(folder / f"{name}.npy" for name in people.names)])
    _require_own(targets)
    _tell_left_out(people)
    with replacing_all(targets, overwrite=force) as partials:
        for name, vector_file, facts_file in zip(names, partials[::2], partials[1::2], strict=True):
            known = people.labels[name] == people.labels[name]  # nan differs from itself
            try:
                direction = fit_direction(people.w[known], people.labels[name][known], seed)
            except InputError as error:
                raise InputError(f"cannot fit {name!r}: {error}") from error
            _write(direction, name, seed, vector_file, facts_file)
            _report(direction, name)
    for target in targets[::2]:
        click.echo(target)


def _columns(people: "LabelledPeople", wanted: tuple[str, ...], table: Path) -> list[str]:
    """The columns to fit, each a name that a file can have."""
    names = [*dict.fromkeys(wanted or people.labels)]
    for name in names:
        if name not in people.labels:
            raise UsageError(f"{table} has no column {name!r}: it has {', '.join(people.labels)}")
        if not re.fullmatch(r"\w[\w .+-]{0,99}", name):
            raise InputError(f"{table}: the column {name!r} cannot name a file; use letters and digits")
    return names


def _tell_left_out(people: "LabelledPeople") -> None:
    """Say who is in only one of the folder and the table."""
    for names, why in ((people.without_w, "no W vector"), (people.without_labels, "no line in the table")):
        if names:
            more = "" if len(names) <= _NAMES_SHOWN else f" and {len(names) - _NAMES_SHOWN} more"
            log.warning("left out, as they have %s: %s%s", why, ", ".join(names[:_NAMES_SHOWN]), more)


def _require_own(targets: list[Path]) -> None:
    """Raise `OverwriteError` where a direction is there and this command did not write it as it is now."""
    for vector, facts in zip(targets[::2], targets[1::2], strict=True):
        stated: Any = None
        with suppress(OSError, ValueError, RecursionError):
            stated = json.loads(facts.read_bytes()) if facts.is_file() else None
        ours = isinstance(stated, dict) and stated.get("made_by") == MARK
        same = not vector.is_file() or (
            ours and stated.get("sha256") == sha256(vector.read_bytes()).hexdigest()
        )
        if (facts.exists() and not ours) or not same:
            raise OverwriteError(
                f"{vector if ours else facts if facts.exists() else vector} was not written by this command: "
                "move it away, or choose another folder"
            )


def _write(direction: "Direction", name: str, seed: int, vector_file: Path, facts_file: Path) -> None:
    import numpy as np

    with vector_file.open("wb") as file:
        np.save(file, direction.vector.astype(np.float32))
    facts = {
        "made_by": MARK,
        "label": name,
        "kind": direction.kind,
        "people": direction.people,
        "w_size": len(direction.vector),
        "penalty": direction.penalty,
        "effect_of_strength_1": direction.effect,
        "cross_validated": direction.scores,
        "by_chance": direction.chance,
        "holds": direction.holds,
        "seed": seed,
        "sha256": sha256(vector_file.read_bytes()).hexdigest(),
    }
    facts_file.write_text(json.dumps(facts, indent=2) + "\n", "utf-8")


def _report(direction: "Direction", name: str) -> None:
    scores = ", ".join(f"{score} {value:.3f}" for score, value in direction.scores.items())
    effect = f"{direction.effect:+.3g} {'' if direction.kind == 'number' else 'in log-odds '}at strength 1"
    log.info("%s: %d people, people left out: %s; %s", name, direction.people, scores, effect)
    if not direction.holds:
        log.warning(
            "%s: on people left out the fit does no better than luck (up to %.3f): do not trust it",
            name,
            direction.chance,
        )
