"""One HTML file that shows a mesh in a browser, by Google's model-viewer, without a server or a network.

`build.py` makes it with the splats' page, and `page.py` says how such pages are filled.
"""

import base64
from pathlib import Path

from fastavatar.formats.html import DATA_SLOT, RECIPE, filled, json_in_script, page_head, require_viewer

MESH_TEMPLATE: Path = RECIPE / "mesh.html"
TITLE_SLOT = "<title>Mesh Viewer</title>"
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; connect-src data: blob:"
)
"""The policy of the splats' page, with two more permissions: the texture is fetched from a `blob:`, and
model-viewer compiles a decoder of compressed meshes, in WebAssembly, when it starts."""


def mesh_page(glb: bytes, title: str = "3D head") -> bytes:
    """The bytes of a page that shows a mesh in the bytes of a `.glb`, from the front until a user drags it.

    Raises `FastAvatarError` when the page was not built or does not have exactly one of each slot.
    """
    require_viewer(MESH_TEMPLATE)
    data = {"contentUrl": f"data:model/gltf-binary;base64,{base64.b64encode(glb).decode()}"}
    page = MESH_TEMPLATE.read_text(encoding="utf-8")
    page = filled(page, TITLE_SLOT, page_head(title, POLICY), MESH_TEMPLATE)
    return filled(page, DATA_SLOT, json_in_script(data), MESH_TEMPLATE).encode()
