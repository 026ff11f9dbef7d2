"""The page as a person uses it, in Chromium."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page

from tests.browser import chromium, needs_chromium, photographed, watched
from tests.portraits import ROOT
from tests.signals import signals_end_processes

pytest.importorskip("viser", reason="the extra `viewer` is not installed")
pytestmark = needs_chromium
PATIENCE_MS = 60_000
CLOUDS = {"red": (255, 0, 0), "green": (0, 255, 0)}


def written(path: Path, color: tuple[int, int, int]) -> Path:
    """Points about a ball of 20 cm: those outside in front, those inside behind."""
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(40_000, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    distances = rng.normal(0, 0.002, len(normals)).astype(np.float32)
    points = (0.1 + distances[:, None]) * normals
    colors = np.tile(np.array(color, np.uint8), (len(points), 1))
    path.parent.mkdir(exist_ok=True)
    np.savez(
        path,
        near_points=points,
        near_distances=distances,
        near_normals=normals,
        near_colors=colors,
        far_points=points,
    )
    return path


@contextmanager
def showing(*arguments: str) -> Iterator[str]:
    """The address of the page, until the block ends with Ctrl-C."""
    command = [sys.executable, "-m", "fastavatar", "points", "--port", "0", *arguments]
    with signals_end_processes():
        process = subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
    try:
        assert process.stderr is not None and process.stdout is not None
        found = re.search(r"points on (http://127.0.0.1:\d+) ", process.stderr.readline())
        assert found is not None
        yield found[1]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stdout.read() == ""
    finally:
        process.kill()
        process.wait()


def sides(page: Page) -> NDArray[np.float64]:
    """(2, 3) mean colours of what is coloured in the left and the right half of the page, controls apart."""
    picture = photographed(page)[150:, :900]
    lit = np.ptp(picture, axis=-1) > 0.3
    halves = ((picture[:, :640], lit[:, :640]), (picture[:, 640:], lit[:, 640:]))
    return np.array([half[mask].mean(0) if mask.any() else np.zeros(3) for half, mask in halves])


def until(page: Page, said: str) -> None:
    page.get_by_text(said).first.wait_for(timeout=PATIENCE_MS)
    page.wait_for_timeout(1500)  # until the points are drawn, too


def pick(page: Page, label: str, value: str) -> None:
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=value, exact=True).click()


def test_truth_and_estimate_in_a_browser(tmp_path: Path) -> None:
    truth, estimate = (written(tmp_path / f"{name}.npz", color) for name, color in CLOUDS.items())
    with showing(str(truth), str(estimate)) as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        seen = watched(page)
        sockets: list[str] = []
        page.on("websocket", lambda socket: sockets.append(socket.url))
        page.goto(address)
        until(page, ": 40,000 of 80,000 points")
        left, right = sides(page)
        assert left[0] > 3 * left[1] and right[1] > 3 * right[0]

        pick(page, "Colour by", "inside")
        until(page, "mm inside")
        assert all(blue > red for red, _, blue in sides(page))

        pick(page, "Show", "estimate")
        pick(page, "Colour by", "colour")
        page.locator("strong", has_text="truth").wait_for(state="detached", timeout=PATIENCE_MS)
        page.wait_for_timeout(1500)
        left, right = sides(page)
        assert left[1] > 3 * left[0] and right[1] > 3 * right[0]

        # The page, its socket and nothing else: it works where there is no network
        assert all(url.startswith((address, "blob:", "data:")) for url in seen.requests), seen.requests
        assert sockets and all(url.startswith(address.replace("http", "ws")) for url in sockets)
        assert seen.errors == []


def test_a_menu_of_subjects_and_one_that_cannot_be_read(tmp_path: Path) -> None:
    for name, color in CLOUDS.items():
        written(tmp_path / "all" / f"{name}.npz", color)
    (tmp_path / "all" / "broken.npz").write_bytes(b"no archive")
    with showing(str(tmp_path / "all")) as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(address)
        until(page, "it is no such .npz file")
        pick(page, "Subject", "green")
        until(page, "40,000 of 80,000 points")
        left, _ = sides(page)
        assert left[1] > 3 * left[0]
