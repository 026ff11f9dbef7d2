"""Debian's Chromium, headless and without network, for tests of pages in a browser."""

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from fastavatar.formats.html.page import TEMPLATE

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    "--no-sandbox",  # tests may run as root
    "--use-angle=swiftshader",  # WebGL2 without a GPU
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)

PATIENCE_S = 30

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
needs_viewer = pytest.mark.skipif(
    not TEMPLATE.is_file() and shutil.which("npm") is None,
    reason="npm, which builds the viewer page, is not installed",
)


@dataclass
class Seen:
    """The requests and console messages of a page while it was open."""

    requests: list[str] = field(default_factory=list)
    """Every address, in order."""
    errors: list[str] = field(default_factory=list)
    """What its scripts threw, and errors on its console."""

    @property
    def outside(self) -> list[str]:
        """Addresses of requests to anything outside the page itself."""
        return [url for url in self.requests if not url.startswith(("data:", "blob:"))]


@contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """A browser in its own process, with these further flags."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        try:
            yield browser
        finally:
            browser.close()


def watched(page: Page) -> Seen:
    """Record the requests and messages of `page` from now on."""
    seen = Seen()
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("console", lambda said: seen.errors.append(said.text) if said.type == "error" else None)
    return seen


def opened(page: Page, url: str) -> Seen:
    """Go to a viewer page and wait for its first picture; `?noanim&noui` keeps it still and bare."""
    seen, pictures = watched(page), list[bool]()
    page.expose_function("firstFrame", lambda: pictures.append(True))  # the viewer calls it
    page.goto(url)
    for _ in range(PATIENCE_S * 50):
        if pictures:
            return seen
        page.wait_for_timeout(20)
    raise AssertionError(f"no picture after {PATIENCE_S} s: {seen}")


def photographed(page: Page) -> NDArray[np.float64]:
    """(H, W, 3) screenshot of the page, sRGB in 0…1."""
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        return np.asarray(picture.convert("RGB")) / 255
