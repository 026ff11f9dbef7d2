"""The contact sheet: previews of all results of a run on one page, or on several of 500 photos each."""

import os
from html import escape
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from fastavatar.app.batch import GENERATOR, SHEET, Row, is_address, join, read_rows, require_own
from fastavatar.results import PREVIEW
from fastavatar.system import replacing

_ROWS_A_PAGE = 500

_STYLE = """
body { margin: 2rem auto; max-width: 1152px; padding: 0 1rem; color: #222 }
body { font: 15px/1.5 system-ui, sans-serif }
figure { margin: 0 0 1.75rem }
img { display: block; width: 100%; aspect-ratio: 6; background: #f4f4f4 }
figcaption { overflow-wrap: anywhere }
figcaption span { color: #6b6b6b }
.failed figcaption { border-left: 3px solid #a40000; padding-left: .6rem }
nav { margin: 1.5rem 0 }
"""


def write_contact_sheet(folder: Path, root: str) -> None:
    """Write `contact_sheet.html` of the index in `folder`, and `contact_sheet_2.html` … for many rows.

    Its links lead from `root`, the place the pages are for, to the results. Raises `OverwriteError` where a
    file of another program is in the way, `FastAvatarError` when a page cannot be written.
    """
    rows = read_rows(folder)
    page, number = list(islice(rows, _ROWS_A_PAGE)), 1
    while page or number == 1:
        following = list(islice(rows, _ROWS_A_PAGE))
        require_own(str(folder / _name(number)))
        with replacing(folder / _name(number)) as partial:
            partial.write_text(_html(page, root, number, last=not following), "utf-8", "backslashreplace")
        page, number = following, number + 1
    while os.path.lexists(folder / _name(number)):  # of an earlier, longer run
        require_own(str(folder / _name(number)))
        (folder / _name(number)).unlink()
        number += 1


def _name(number: int) -> str:
    return SHEET if number == 1 else SHEET.replace(".", f"_{number}.")


def _html(rows: list[Row], root: str, number: int, last: bool) -> str:
    failed = sum(row.status == "failed" for row in rows)
    links = [] if number == 1 else [f'<a href="{_name(number - 1)}">before</a>']
    links += [] if last else [f'<a href="{_name(number + 1)}">next</a>']
    nav = f"<nav>{' · '.join(links)}</nav>" if links else ""
    title = f"{len(rows)} photos, {failed} failed" + ("" if number == 1 and last else f", page {number}")
    figures = "\n".join(_figure(row, root) for row in rows)
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n{GENERATOR}\n<title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width">\n<style>{_STYLE}</style>\n'
        f"<h1>{title}</h1>\n{nav}\n{figures}\n{nav}\n</html>\n"
    )


def _figure(row: Row, root: str) -> str:
    name = escape(row.photo)
    if row.status == "failed":
        caption = f"{name}<br>{escape(row.error)} <span>(code {row.error_code})</span>"
        return f'<figure class="failed"><figcaption>{caption}</figcaption></figure>'
    place = _link(_place_of(row, root))
    caption = f"{name} <span>{escape(row.model)}, {row.count:,} Gaussians, {row.seconds:.1f} s</span>"
    picture = f'<img loading="lazy" src="{place}/{PREVIEW}" alt="{name}">'
    return f'<figure><a href="{place}/">{picture}</a><figcaption>{caption}</figcaption></figure>'


def _place_of(row: Row, root: str) -> str:
    """Where the row's results lie, seen from `root`."""
    if is_address(row.output):
        return row.output.removeprefix(join(root, ""))
    return os.path.relpath(row.output, root)


def _link(path: str) -> str:
    """A path as a relative address; any bytes a file name may hold are quoted."""
    return "/".join(quote(os.fsencode(part), safe="") for part in path.split(os.sep))
