"""`fastavatar info`: what a file of Gaussians holds."""

import json
from pathlib import Path
from typing import Any

import click

from fastavatar.app.cli.numbers import FILE
from fastavatar.errors import InputError


@click.command("info")
@click.argument("file", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(file: Path, as_json: bool) -> None:
    """Tell what a file of Gaussians holds: how many, their bounds, SH degree and frame.

    Ends with exit code 4 when the file is damaged or some Gaussians are not finite.
    """
    from fastavatar.formats.facts import facts_of

    facts = facts_of(file)
    click.echo(json.dumps(facts, indent=1, allow_nan=False) if as_json else as_text(facts))
    broken = facts["non_finite_rows"]
    if broken:
        raise InputError(f"{file} is damaged: {broken} of {facts['num_gaussians']} Gaussians are not finite")


def as_text(facts: dict[str, Any]) -> str:
    """The facts for reading, one to a line."""
    sides = zip("xyz", facts["bounds_min_m"] or (), facts["bounds_max_m"] or (), strict=False)
    lines = {
        "file": facts["file"],
        "format": facts["format"],
        "size": f"{facts['size_bytes']:,} bytes",
        "Gaussians": f"{facts['num_gaussians']:,}",
        "SH degree": facts["sh_degree"],
        "frame": facts["frame"] + ("" if facts["frame_stated"] else " (assumed: the file states none)"),
        "bounds": ", ".join(f"{axis} {low:.3f} … {high:.3f} m" for axis, low, high in sides) or "none",
        "non-finite rows": facts["non_finite_rows"],
    }
    return "\n".join(f"{name:<16}{value}" for name, value in lines.items())
