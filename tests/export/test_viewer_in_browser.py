"""The page as Chromium shows it from a file, without network."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page

from fastavatar.avatar import Avatar
from fastavatar.camera import Camera
from fastavatar.export.viewer_page import TEMPLATE, viewer_page
from fastavatar.gaussians import Gaussians
from fastavatar.head_view import facing_camera, head_sphere
from fastavatar.render import render
from tests.browser import Seen, chromium, needs_chromium, photographed, watched
from tests.export.storable import storable

pytestmark = [
    needs_chromium,
    pytest.mark.skipif(
        not TEMPLATE.is_file() and shutil.which("npm") is None,
        reason="npm, which builds the viewer page, is not installed",
    ),
]

Picture = NDArray[np.float64]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 320, "height": 320}, offline=True)
    yield context.new_page()
    context.close()


def show(page: Page, file: Path, query: str = "?noanim&noui") -> Seen:
    """Open a page from its file and wait for the first picture, by default still and without controls."""
    seen, pictures = watched(page), list[bool]()
    page.expose_function("firstFrame", lambda: pictures.append(True))
    page.goto(file.as_uri() + query)
    for _ in range(300):
        if pictures:
            return seen
        page.wait_for_timeout(50)
    raise AssertionError(f"no picture after 15 s: {seen}")


def written(g: Gaussians, folder: Path, title: str = "3D head") -> Path:
    file = folder / "head.html"
    file.write_bytes(viewer_page(g, title))
    return file


def drawn(g: Gaussians, page: Page, azimuth_deg: float = 0.0) -> Picture:
    """What `fa.render` shows from where the page's camera should be."""
    assert page.viewport_size is not None
    width, height = page.viewport_size["width"], page.viewport_size["height"]
    center, radius_m = head_sphere(g)
    square = facing_camera(center, radius_m, min(width, height))
    K = square.K.clone()
    K[:2, 2] = torch.tensor([width / 2, height / 2])
    camera = Camera(K, square.world_to_camera, width, height).orbited(azimuth_deg, 0, center)
    return render(g, camera, background=(1, 1, 1)).image.clamp(0, 1).double().numpy()


def psnr(left: Picture, right: Picture) -> float:
    return float(-10 * np.log10(((left - right) ** 2).mean() + 1e-12))


@pytest.mark.parametrize("size", [(320, 320), (480, 300), (300, 480)])
def test_it_is_what_render_draws_whatever_the_shape_of_the_page(
    size: tuple[int, int], page: Page, tmp_path: Path
) -> None:
    """Colours of degree 3, all different: mirrored or seen from elsewhere it would be another picture."""
    g = storable()
    page.set_viewport_size({"width": size[0], "height": size[1]})
    show(page, written(g, tmp_path))
    seen, expected = photographed(page), drawn(g, page)
    assert psnr(seen, expected) > 30
    assert max(psnr(seen, expected[:, ::-1]), psnr(seen, expected[::-1]), psnr(seen, drawn(g, page, 8))) < 25


def test_the_avatar_stands_upright_faces_us_and_is_not_mirrored(
    avatar: Avatar, page: Page, tmp_path: Path
) -> None:
    """One cheek is painted: red on the person's left, which we see to the right."""
    g = avatar.gaussians
    x, y, z = g.means.unbind(1)
    left_cheek = (x > 0.02) & (z > 0.03) & (y.abs() < 0.06)
    sh = torch.where(left_cheek[:, None, None], torch.tensor([1.7, -1.7, -1.7]), g.sh)
    painted = Gaussians(g.means, g.quats_wxyz, g.log_scales, g.opacity_logits, sh)
    show(page, written(painted, tmp_path))
    seen = photographed(page)
    assert psnr(seen, drawn(painted, page)) > 24
    red = (seen[..., 0] > 0.8) & (seen[..., 1:] < 0.3).all(2)
    row, column = np.argwhere(red).mean(0)
    assert red.sum() > 500 and column > 165 and 80 < row < 220
    assert (seen[:8] > 0.99).all() and (seen[-8:, 150:170] < 0.9).all()  # air above, shoulders below


def test_it_sways_to_the_left_and_right_of_the_person(page: Page, tmp_path: Path) -> None:
    g = storable()
    show(page, written(g, tmp_path))
    for seconds, azimuth_deg in ((3, 35), (6, 0), (9, -35)):
        page.evaluate(f"window.scrubTo({seconds})")
        page.wait_for_timeout(300)
        assert psnr(photographed(page), drawn(g, page, azimuth_deg)) > 30, f"at {seconds} s"


def test_it_moves_by_itself_and_when_dragged(page: Page, tmp_path: Path) -> None:
    show(page, written(storable(), tmp_path), "?noui")
    first = photographed(page)
    page.wait_for_timeout(700)
    assert psnr(first, photographed(page)) < 30
    page.mouse.move(160, 160)
    page.mouse.down()
    page.mouse.move(20, 160, steps=8)
    page.mouse.up()
    page.wait_for_timeout(1000)
    dragged = photographed(page)
    page.wait_for_timeout(500)
    assert psnr(first, dragged) < 25 and psnr(dragged, photographed(page)) > 30, "who drags it stops the sway"


def test_nothing_is_asked_of_anybody_else(page: Page, tmp_path: Path) -> None:
    file = written(storable(), tmp_path, "</title><script>document.title = 'broken'</script> & ü")
    seen = show(page, file, "")
    assert seen.outside == [file.as_uri()] and not seen.errors
    assert page.title() == "</title><script>document.title = 'broken'</script> & ü"
    page.evaluate("fetch('https://example.org/').catch(() => null)")
    page.evaluate("new Image().src = 'https://example.org/a.png'")
    page.wait_for_timeout(200)
    refused = [said for said in seen.errors if "violates the following Content Security Policy" in said]
    assert len(refused) == 2, seen.errors
