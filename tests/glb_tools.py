"""Programs of others that judge a GLB, Khronos' validator and three.js, which `make check` fetches."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.portraits import ROOT

WEB = ROOT / "tests" / "web"
needs_gltf_tools = pytest.mark.skipif(
    shutil.which("node") is None or not (WEB / "node_modules").is_dir(),
    reason="Khronos' validator and three.js are not installed: run `npm ci --ignore-scripts` in tests/web",
)


def validated(path: Path) -> dict[str, Any]:
    """The validator's report on a file."""
    done = subprocess.run(
        ["node", "validate.mjs", str(path)], cwd=WEB, capture_output=True, text=True, check=True
    )
    report = json.loads(done.stdout)
    assert isinstance(report, dict)
    return report


class _Handler(SimpleHTTPRequestHandler):
    """Serves tests/web, and /mesh.glb from elsewhere."""

    mesh = Path()

    def translate_path(self, path: str) -> str:
        return str(self.mesh) if path == "/mesh.glb" else super().translate_path(path)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def three_page(mesh: Path) -> Iterator[str]:
    """The address of a page that shows `mesh` by three.js."""
    handler = type("Handler", (_Handler,), {"mesh": mesh})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(WEB))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/three.html"
        finally:
            server.shutdown()
