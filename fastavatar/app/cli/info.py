"""`fastavatar info`: prints what a file of Gaussians or a mesh holds."""

import json
from pathlib import Path
from typing import Any

import click

from fastavatar.app.cli.logs import one_line
from fastavatar.app.cli.numbers import FILE
from fastavatar.errors import InputError


@click.command("info")
@click.argument("file", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(file: Path, as_json: bool) -> None:
    """Print what a file holds: how many Gaussians, their bounds, SH degree and frame, or a mesh's triangles.

    Of a mesh it also says whether it is closed, and what colours and moves it. Of Gaussians, rows that other
    commands drop or clamp are counted. The exit code is 4 when the file is damaged or nothing in it can be
    drawn.
    """
    from fastavatar.formats import holds_mesh

    of_mesh = holds_mesh(file)
    facts = facts_of_mesh(file) if of_mesh else facts_of(file)
    text = mesh_as_text if of_mesh else as_text
    click.echo(json.dumps(facts, indent=1, allow_nan=False) if as_json else text(facts))


def facts_of(path: Path) -> dict[str, Any]:
    """JSON-ready facts by name; the bounds are those of usable centres, in the file's own frame and metres.

    Raises `InputError` when the file is missing, damaged or holds nothing usable, `UsageError` for an unknown
    ending.
    """
    from fastavatar.formats import format_of
    from fastavatar.formats.splats import DEFAULT_FRAME

    known = format_of(path)
    stored = known.parse(path)
    try:
        usable, repairs = stored.usable()
    except InputError as error:
        raise InputError(f"cannot read {path}: {error}") from None
    return {
        "file": str(path),
        "format": known.ending,
        "size_bytes": path.stat().st_size,
        "num_gaussians": len(stored.gaussians),
        "sh_degree": stored.gaussians.sh_degree,
        "frame": stored.frame or DEFAULT_FRAME,
        "frame_stated": stored.frame is not None,
        "bounds_min_m": usable.means.amin(0).tolist(),
        "bounds_max_m": usable.means.amax(0).tolist(),
        "non_finite_rows": repairs.non_finite,
        "zero_quaternion_rows": repairs.zero_quaternions,
        "zero_rows": repairs.zero_rows,
        "clamped_opacities": repairs.infinite_opacities,
        "clamped_scales": repairs.flat_scales,
        "unread_properties": list(stored.unread),
    }


def facts_of_mesh(path: Path) -> dict[str, Any]:
    """JSON-ready facts of a mesh by name; bounds in the head frame, metres, volume in litres.

    Raises `InputError` when the file is missing or damaged.
    """
    from fastavatar.formats import mesh_format_of, read_mesh
    from fastavatar.meshing import is_closed

    mesh = read_mesh(path)
    closed = is_closed(mesh.faces.numpy())
    a, b, c = mesh.vertices.double()[mesh.faces].unbind(1)
    return {
        "file": str(path),
        "format": mesh_format_of(path).ending,
        "size_bytes": path.stat().st_size,
        "num_vertices": len(mesh.vertices),
        "num_triangles": len(mesh.faces),
        "closed": closed,
        "volume_l": float((a * b.cross(c, dim=1)).sum()) / 6 * 1000 if closed else None,
        "bounds_min_m": mesh.vertices.amin(0).tolist(),
        "bounds_max_m": mesh.vertices.amax(0).tolist(),
        "texture_px": None if mesh.texture is None else list(mesh.texture.shape[1::-1]),
        "vertex_colors": mesh.colors is not None,
        "parts": list(mesh.part_names),
        "shapes": [] if mesh.shapes is None else list(mesh.shapes.names),
        "joints": [] if mesh.skeleton is None else list(mesh.skeleton.names),
    }


def mesh_as_text(facts: dict[str, Any]) -> str:
    """The facts of a mesh as text for a terminal, one per line."""
    sides = zip("xyz", facts["bounds_min_m"], facts["bounds_max_m"], strict=True)
    texture = "none" if facts["texture_px"] is None else "{}×{} px".format(*facts["texture_px"])
    lines = {
        "file": one_line(facts["file"]),
        "format": facts["format"],
        "size": f"{facts['size_bytes']:,} bytes",
        "vertices": f"{facts['num_vertices']:,}",
        "triangles": f"{facts['num_triangles']:,}",
        "closed": f"yes, {facts['volume_l']:.3f} l" if facts["closed"] else "no",
        "bounds": ", ".join(f"{axis} {low:.3f} … {high:.3f} m" for axis, low, high in sides),
        "texture": texture,
        "vertex colours": "yes" if facts["vertex_colors"] else "no",
        "parts": one_line(", ".join(facts["parts"]) or "none"),
        "shapes": len(facts["shapes"]),
        "joints": one_line(", ".join(facts["joints"]) or "none"),
    }
    return "\n".join(f"{name:<16}{value}" for name, value in lines.items())


def as_text(facts: dict[str, Any]) -> str:
    """The facts as text for a terminal, one per line."""
    from fastavatar.formats.splats import shortened

    sides = zip("xyz", facts["bounds_min_m"], facts["bounds_max_m"], strict=True)
    lines = {
        "file": one_line(str(facts["file"])),
        "format": facts["format"],
        "size": f"{facts['size_bytes']:,} bytes",
        "Gaussians": f"{facts['num_gaussians']:,}",
        "SH degree": facts["sh_degree"],
        "frame": facts["frame"] + ("" if facts["frame_stated"] else " (assumed: the file states none)"),
        "bounds": ", ".join(f"{axis} {low:.3f} … {high:.3f} m" for axis, low, high in sides),
        "non-finite rows": facts["non_finite_rows"],
    }
    further = {
        "zero quaternions": (facts["zero_quaternion_rows"], "dropped when read"),
        "rows of zeros": (facts["zero_rows"], "dropped when read"),
        "opacities 0 or 1": (facts["clamped_opacities"], "infinite logits, valid, clamped when read"),
        "flat Gaussians": (facts["clamped_scales"], "a size of 0, valid, clamped when read"),
    }
    lines |= {name: f"{count} ({what})" for name, (count, what) in further.items() if count}
    if facts["non_finite_rows"]:
        lines["non-finite rows"] = f"{facts['non_finite_rows']} (dropped when read)"
    if facts["unread_properties"]:
        lines["not read"] = shortened(facts["unread_properties"])
    return "\n".join(f"{name:<16}{value}" for name, value in lines.items())
