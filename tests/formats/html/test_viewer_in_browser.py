"""The page as Chromium shows it from a file, without network."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page

from fastavatar.core import Avatar, Camera, Gaussians
from fastavatar.formats.html.page import viewer_page
from fastavatar.rendering import render
from fastavatar.rendering.head_view import facing_camera, head_sphere
from tests.browser import chromium, needs_chromium, needs_viewer, opened, photographed
from tests.formats.splats.storable import storable

pytestmark = [needs_chromium, needs_viewer]

Picture = NDArray[np.float64]
STILL = "?noanim&noui"
"""Without sway and controls."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 320, "height": 320}, offline=True)
    yield context.new_page()
    context.close()


def written(g: Gaussians, folder: Path, title: str = "3D head") -> str:
    file = folder / "head.html"
    file.write_bytes(viewer_page(g, title))
    return file.as_uri()


def drawn(g: Gaussians, page: Page, azimuth_deg: float = 0.0) -> Picture:
    """The picture of `fa.render` with the camera that the page should have."""
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
    opened(page, written(g, tmp_path) + STILL)
    seen, expected = photographed(page), drawn(g, page)
    assert psnr(seen, expected) > 30
    assert max(psnr(seen, expected[:, ::-1]), psnr(seen, expected[::-1]), psnr(seen, drawn(g, page, 8))) < 25


@pytest.mark.parametrize(("scale", "moved_m"), [(1.0, 2.0), (5.0, 0.0), (200.0, -300.0)])
def test_a_head_moved_or_scaled_by_another_program_is_shown(
    scale: float, moved_m: float, page: Page, tmp_path: Path
) -> None:
    g = storable().transformed(scale, torch.eye(3), torch.tensor([0.0, 0.0, moved_m]))
    opened(page, written(g, tmp_path) + STILL)
    seen = photographed(page)
    assert psnr(seen, drawn(g, page)) > 27 and psnr(seen, np.ones(3)) < 20


def test_the_avatar_stands_upright_faces_us_and_is_not_mirrored(
    avatar: Avatar, page: Page, tmp_path: Path
) -> None:
    """One cheek is painted: red on the person's left, which we see to the right."""
    g = avatar.gaussians
    x, y, z = g.means.unbind(1)
    left_cheek = (x > 0.02) & (z > 0.03) & (y.abs() < 0.06)
    sh = torch.where(left_cheek[:, None, None], torch.tensor([1.7, -1.7, -1.7]), g.sh)
    painted = Gaussians(g.means, g.quats_wxyz, g.log_scales, g.opacity_logits, sh)
    opened(page, written(painted, tmp_path) + STILL)
    seen = photographed(page)
    assert psnr(seen, drawn(painted, page)) > 24
    red = (seen[..., 0] > 0.8) & (seen[..., 1:] < 0.3).all(2)
    row, column = np.argwhere(red).mean(0)
    assert red.sum() > 500 and column > 165 and 80 < row < 220
    assert (seen[:8] > 0.99).all() and (seen[-8:, 150:170] < 0.9).all()  # air above, shoulders below


def test_it_sways_to_the_left_and_right_of_the_person(page: Page, tmp_path: Path) -> None:
    g = storable()
    opened(page, written(g, tmp_path) + STILL)
    for seconds, azimuth_deg in ((3, 35), (6, 0), (9, -35)):
        page.evaluate(f"window.scrubTo({seconds})")
        page.wait_for_timeout(300)
        assert psnr(photographed(page), drawn(g, page, azimuth_deg)) > 30, f"at {seconds} s"


def test_it_moves_by_itself_and_when_dragged(page: Page, tmp_path: Path) -> None:
    opened(page, written(storable(), tmp_path) + "?noui")
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


def test_the_page_sends_no_request_to_any_server(page: Page, tmp_path: Path) -> None:
    url = written(storable(), tmp_path, "</title><script>document.title = 'broken'</script> & ü")
    seen = opened(page, url)
    assert seen.outside == [url] and not seen.errors
    assert page.title() == "</title><script>document.title = 'broken'</script> & ü"
    page.evaluate("fetch('https://example.org/').catch(() => null)")
    page.evaluate("new Image().src = 'https://example.org/a.png'")
    page.wait_for_timeout(200)
    refused = [said for said in seen.errors if "violates the following Content Security Policy" in said]
    assert len(refused) == 2, seen.errors


@pytest.mark.parametrize("framed", [False, True])
def test_it_needs_no_storage_and_hides_the_list_of_keys(framed: bool, page: Page, tmp_path: Path) -> None:
    """A sandboxed frame in a page with a strict policy is what a web application gives it."""
    url = written(storable(), tmp_path)
    frame = f'<iframe sandbox="allow-scripts" src="{url}" style="width: 100%; height: 300px"></iframe>'
    policy = "default-src 'none'; frame-src file:; style-src 'unsafe-inline'"
    outer = tmp_path / "outer.html"
    outer.write_text(f'<meta http-equiv="Content-Security-Policy" content="{policy}">{frame}')
    seen = opened(page, outer.as_uri() if framed else url)
    viewer = page.frames[-1]
    assert not seen.errors and viewer.url == url
    keys = viewer.get_by_text("Play / Pause").all()
    assert keys and not any(line.is_visible() for line in keys)
    assert psnr(photographed(page), np.ones(3)) < 25
