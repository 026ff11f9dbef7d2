"""A head as GLB in three.js and in model-viewer: expressions move what they should, and no more."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page
from scipy.ndimage import binary_dilation

from fastavatar.core import Mesh, frontal_camera
from fastavatar.formats import write_mesh
from fastavatar.formats.html.mesh_page import MESH_TEMPLATE, mesh_page
from fastavatar.meshing.fitted import fitted_mesh
from tests.browser import chromium, needs_chromium, photographed, watched
from tests.glb_tools import needs_gltf_tools, three_page
from tests.meshing.made_head import made_head

pytestmark = needs_chromium
SIZE = 400
MOVE_IN_MODEL_VIEWER = """([name, weight]) => {
  const viewer = document.querySelector('model-viewer');
  const symbol = Object.getOwnPropertySymbols(viewer).find((one) => one.description === 'scene');
  let found = 0;
  viewer[symbol].traverse((part) => {
    const index = part.morphTargetDictionary?.[name];
    if (index === undefined) return;
    part.morphTargetInfluences[index] = weight;
    found += 1;
  });
  viewer[symbol].queueRender();
  return found;
}"""


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return fitted_mesh(made_head(), 1024)


@pytest.fixture(scope="module")
def file(mesh: Mesh, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mesh") / "head.glb"
    write_mesh(mesh, path)
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    made = browser.new_page(viewport={"width": SIZE, "height": SIZE})
    yield made
    made.close()


def until(page: Page, condition: str) -> None:
    for _ in range(600):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"never: {condition}")


def changed(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(np.abs(before - after).max(2) > 0.02)


def swept(mesh: Mesh, shape: str) -> NDArray[np.bool_]:
    """(H, W) where the camera of the page may see that a shape moves something, a few pixels more."""
    assert mesh.shapes is not None
    offsets = mesh.shapes.offsets[mesh.shapes.names.index(shape)]
    moving = mesh.faces[(offsets.norm(dim=1) > 2e-5)[mesh.faces].any(1)].reshape(-1)
    focal_px = SIZE / 2 / np.tan(np.radians(10))
    camera = frontal_camera(1.0, float(focal_px), SIZE, SIZE)
    where = np.zeros((SIZE, SIZE), bool)
    for share in (0.0, 0.5, 1.0):
        pixels = camera.project(mesh.vertices[moving] + share * offsets[moving])[0].long().clamp(0, SIZE - 1)
        where[pixels[:, 1], pixels[:, 0]] = True
    return np.asarray(binary_dilation(where, iterations=6))


@needs_gltf_tools
def test_three_js_moves_jaw_and_lid_and_nothing_else(page: Page, mesh: Mesh, file: Path) -> None:
    with three_page(file) as url:
        seen = watched(page)
        page.goto(url)
        until(page, "window.ready === true")
        assert not seen.errors
        rest = photographed(page)
        assert (rest < 0.9).any(2).mean() > 0.3
        assert {"skin", "left_eye_mesh", "tongue", "beyond"} <= set(page.evaluate("parts"))
        assert page.evaluate("bones") == ["torso", "neck", "head", "jaw", "left_eye", "right_eye"]
        for shape, least, most in (("jawOpen", 1000, 20_000), ("eyeBlinkLeft", 40, 1500)):
            assert page.evaluate("([name, weight]) => move(name, weight)", [shape, 1.0]) >= 1
            difference = changed(rest, photographed(page))
            assert least < difference.sum() < most
            assert not (difference & ~swept(mesh, shape)).any()
            page.evaluate("([name, weight]) => move(name, weight)", [shape, 0.0])
            assert not changed(rest, photographed(page)).any(), "it goes back"
        # Her left eye is on the right in the picture, above its middle
        page.evaluate("move('eyeBlinkLeft', 1)")
        rows, columns = np.nonzero(changed(rest, photographed(page)))
        assert columns.min() > SIZE / 2 and rows.max() < SIZE / 2
        page.evaluate("move('eyeBlinkLeft', 0); turn('jaw', 0.3)")
        rows, _ = np.nonzero(changed(rest, photographed(page)))
        assert len(rows) > 1000 and rows.min() > SIZE / 2, "the jaw turns below the eyes"


@pytest.mark.skipif(not MESH_TEMPLATE.is_file(), reason="the viewer page was not built: it takes npm")
def test_model_viewer_shows_the_head_offline_and_moves_it(page: Page, file: Path, tmp_path: Path) -> None:
    shown = tmp_path / "mesh.html"
    shown.write_bytes(mesh_page(file.read_bytes(), "A head"))
    seen = watched(page)
    page.goto(shown.as_uri())
    until(page, "document.querySelector('model-viewer').loaded")
    until(page, "document.querySelector('model-viewer').modelIsVisible")
    assert page.title() == "A head"
    page.wait_for_timeout(1500)
    rest = photographed(page)
    assert (rest < 0.9).any(2).mean() > 0.05 and (rest[:8] > 0.98).all(), "a head on white"
    assert page.evaluate(MOVE_IN_MODEL_VIEWER, ["jawOpen", 1.0]) >= 2
    page.wait_for_timeout(1000)
    jaw = changed(rest, photographed(page))
    page.evaluate(MOVE_IN_MODEL_VIEWER, ["jawOpen", 0.0])
    page.evaluate(MOVE_IN_MODEL_VIEWER, ["eyeBlinkLeft", 1.0])
    page.wait_for_timeout(1000)
    lid = changed(rest, photographed(page))
    assert jaw.sum() > 4 * lid.sum() > 0
    assert np.nonzero(lid)[1].min() > SIZE / 2 and lid.mean() < 0.01
    assert seen.outside == [shown.as_uri()] and not seen.errors
