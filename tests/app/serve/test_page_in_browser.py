"""The page as a person uses it, in Chromium: with a mouse, with keys, with a camera, on a phone."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from fastavatar.formats.html.page import TEMPLATE
from fastavatar.formats.splats.ply import read_ply
from fastavatar.images import KNOWN
from tests.app.serve.serving import Json, Server, serving
from tests.browser import chromium, needs_chromium, watched
from tests.portraits import PORTRAIT, ROOT, picture, without_face

pytestmark = needs_chromium
needs_viewer = pytest.mark.skipif(
    not TEMPLATE.is_file(), reason="the viewer page was not built: it takes npm"
)

PATIENCE_MS = 120_000.0
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video for the fake camera: the portrait as its only picture."""
    path = tmp_path_factory.mktemp("camera") / "portrait.mjpeg"
    picture().convert("RGB").save(path, "JPEG")
    return path


@pytest.fixture(scope="module")
def browser(film: Path) -> Iterator[Browser]:
    with chromium(
        "--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={film}"
    ) as started:
        yield started


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1000, "height": 700}, accept_downloads=True)
    made.set_default_timeout(PATIENCE_MS)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext, server: Server) -> Page:
    made = context.new_page()
    made.goto(server.url)
    expect(made.get_by_role("heading", name="One photo in, a 3D head out")).to_be_visible()
    return made


def resume(page: Page, job: Json) -> None:
    """Show a job that is done, as a page that is loaded again in the same tab does."""
    page.evaluate("id => sessionStorage.setItem('fastavatar-job', id)", job["id"])
    page.reload()


def choose(page: Page, photo: Path = PORTRAIT) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a photo").click()
    chooser.value.set_files(photo)


def stage(page: Page) -> NDArray[np.float64]:
    """(H, W, 3) the part of the page that shows the head, 0…1."""
    shot = page.locator("#stage").screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")) / 255


def drag(page: Page) -> None:
    box = page.locator("#stage").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 0.4 * box["width"], y, steps=8)
    page.mouse.up()


@needs_viewer
def test_a_photo_becomes_a_head_on_the_page(page: Page, server: Server, tmp_path: Path) -> None:
    """The photo shows progress, the head turns when dragged, files download, and all is deleted."""
    seen = watched(page)
    page.get_by_text("Options").click()
    page.get_by_label("Let it say vowels").check()
    choose(page)
    expect(page.get_by_role("img", name="Your photo")).to_be_visible()
    expect(page.locator("#stages")).to_contain_text("find faces")
    expect(page.get_by_role("heading", name="The head of example.png")).to_be_visible()

    inside = page.frame_locator("#stage iframe").locator("canvas")
    expect(inside).to_be_visible()
    for _ in range(60):
        drag(page)  # ends the sway, for which the browser draws all the time
        page.wait_for_timeout(500)
        if stage(page).std() > 0.1:
            break
    vowels = page.get_by_role("tab", name="Vowels")
    expect(vowels).to_have_attribute("aria-selected", "false")  # it is there, and the server is idle
    page.wait_for_timeout(1500)
    first = stage(page)
    assert first.std() > 0.1 and (first > 0.98).all(2).mean() > 0.1, "a head on white"
    page.wait_for_timeout(500)
    still = np.abs(stage(page) - first).mean()
    drag(page)
    page.wait_for_timeout(1500)
    assert np.abs(stage(page) - first).mean() > 0.02 + 2 * still, "it turns with the mouse"

    page.get_by_role("tab", name="Mesh").click()
    expect(page.frame_locator("#stage iframe").locator("model-viewer")).to_be_visible()
    for _ in range(60):
        page.wait_for_timeout(500)
        if (mesh := stage(page)).std() > 0.1:
            break
    assert mesh.std() > 0.1 and (mesh > 0.98).all(2).mean() > 0.1, "a mesh on white"

    vowels.click()
    video = page.locator("#stage video")
    expect(video).to_have_attribute("src", re.compile("/files/vowels.mp4$"))
    assert video.evaluate("film => film.play().then(() => film.videoWidth)") == 512
    expect(page.get_by_role("link", name="Vowels")).to_have_attribute("download", re.compile("vowels.mp4$"))
    page.get_by_role("tab").first.click()
    expect(page.locator("#stage video[src$='vowels.mp4']")).to_have_count(0)

    kinds = {"PLY": "splats.ply", "GLB": "head.glb", "HTML": "head.html", "Turntable": "turntable.mp4"}
    for kind, name in kinds.items():
        with page.expect_download() as download:
            page.locator("#downloads a").filter(has_text=kind).click()
        assert download.value.suggested_filename == f"example-{name}"
        download.value.save_as(tmp_path / name)
    assert len(read_ply(tmp_path / "splats.ply")) > 1000
    assert (tmp_path / "head.glb").read_bytes()[:4] == b"glTF"
    assert b"<html" in (tmp_path / "head.html").read_bytes()[:2000]
    assert (tmp_path / "turntable.mp4").read_bytes()[4:8] == b"ftyp"
    assert "Gaussians, made by the embedded model" in page.locator("#summary").inner_text()
    assert page.locator("#warnings").inner_text() == ""

    folders = len(server.job_folders())
    page.get_by_role("button", name="Another photo").click()
    expect(page.get_by_role("heading", name="One photo in")).to_be_visible()
    page.wait_for_timeout(500)
    assert len(server.job_folders()) == folders - 1
    assert not seen.errors
    assert all(
        url.startswith((server.url, f"blob:{server.url}", "blob:null", "data:")) for url in seen.requests
    )


@needs_viewer
def test_the_viewer_reaches_nothing_of_the_page(page: Page, done: Json) -> None:
    resume(page, done)
    expect(page.locator("#stage iframe")).to_be_visible()
    frame = page.frames[-1]
    frame.wait_for_load_state()
    assert frame.evaluate("self.origin") == "null"
    assert frame.evaluate("fetch('/api/status').then(() => 'answered', () => 'refused')") == "refused"


def test_without_the_viewer_page_the_head_is_a_video(page: Page, done: Json) -> None:
    """The job's files without head.html, as on a server without the built viewer page."""

    def without_viewer(route: Route) -> None:
        answer = route.fetch()
        if answer.status != 200:
            return route.fulfill(response=answer)
        job = answer.json()
        job["files"] = [file for file in job["files"] if not file.endswith(".html")]
        route.fulfill(response=answer, json=job)

    page.route(re.compile(r"/api/jobs/[^/]+$"), without_viewer)
    resume(page, done)
    expect(page.locator("#stage video")).to_be_visible()
    for _ in range(100):
        page.wait_for_timeout(100)
        if page.locator("#stage video").evaluate("(video) => video.currentTime") > 0.2:
            break
    assert stage(page).std() > 0.1
    expect(page.locator("#downloads")).not_to_contain_text("HTML")
    page.unroute_all(behavior="wait")


def test_the_page_works_with_the_keyboard_alone(page: Page, tmp_path: Path) -> None:
    focused = "document.activeElement.id || document.activeElement.textContent.trim()"
    page.keyboard.press("Tab")
    while page.evaluate(focused) != "choose":
        page.keyboard.press("Tab")
    with page.expect_file_chooser() as chooser:
        page.wait_for_timeout(500)  # until the browser knows that its dialog is ours
        page.keyboard.press("Enter")
    wall = tmp_path / "wall.png"
    Image.fromarray(without_face()).save(wall)
    chooser.value.set_files(wall)
    expect(page.get_by_role("heading", name="That did not work")).to_be_focused()
    error = page.get_by_role("alert").filter(has_text="no face")
    expect(error).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "retry"
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.get_by_role("heading", name="One photo in")).to_be_focused()


def test_a_file_that_is_no_photo_shows_the_message_of_the_command_line(page: Page) -> None:
    choose(page, ROOT / "README.md")
    told = f"cannot read README.md: it is not a picture; give a {KNOWN} file"
    expect(page.locator("#error")).to_have_text(told)


def test_a_job_can_be_cancelled_on_the_page(page: Page, server: Server) -> None:
    page.get_by_text("Options").click()
    page.get_by_label("Refine on the photo").check()
    folders = len(server.job_folders())
    choose(page)
    expect(page.get_by_role("heading", name="Making the head")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", name="Cancelled")).to_be_focused()
    for _ in range(100):
        if len(server.job_folders()) == folders:
            break
        page.wait_for_timeout(100)
    assert len(server.job_folders()) == folders


def test_a_reloaded_page_continues_with_its_job(page: Page) -> None:
    choose(page)
    expect(page.get_by_role("heading", name="Making the head")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="The head of example.png")).to_be_visible()
    page.get_by_role("button", name="Another photo").click()
    page.reload()
    expect(page.get_by_role("heading", name="One photo in")).to_be_visible()


def test_a_photo_can_be_dropped_and_pasted(page: Page, tmp_path: Path) -> None:
    bring = """([kind, field]) => {
        const data = new DataTransfer();
        data.items.add(new File(["nothing"], "dropped.jpg", { type: "image/jpeg" }));
        document.querySelector("#drop").dispatchEvent(
            kind === "drop" ? new DragEvent(kind, { dataTransfer: data, bubbles: true })
                            : new ClipboardEvent(kind, { clipboardData: data, bubbles: true }));
    }"""
    for kind in ("drop", "paste"):
        page.evaluate(bring, [kind, ""])
        expect(page.locator("#error")).to_contain_text("cannot read dropped.jpg")
        page.get_by_role("button", name="Another photo").click()


def test_the_camera_takes_a_photo(context: BrowserContext, server: Server, page: Page) -> None:
    context.grant_permissions(["camera"], origin=server.url)
    page.get_by_role("button", name="Take a photo").click()
    expect(page.get_by_role("dialog", name="Take a photo")).to_be_visible()
    shoot = page.get_by_role("button", name="Take it")
    expect(shoot).to_be_enabled()
    shoot.click()
    expect(page.get_by_role("heading", name="The head of camera.jpg")).to_be_visible()
    page.get_by_role("button", name="Another photo").click()
    expect(page.get_by_role("dialog", name="Take a photo")).to_be_hidden()


def test_the_page_says_that_the_camera_is_not_allowed(page: Page) -> None:
    page.get_by_role("button", name="Take a photo").click()
    expect(page.get_by_role("alert").filter(has_text="does not let this page use the camera")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Choose a photo")).to_be_visible()


@pytest.mark.parametrize("width", [320])
def test_on_a_phone_nothing_is_cut_off(width: int, browser: Browser, server: Server, done: Json) -> None:
    context = browser.new_context(viewport={"width": width, "height": 700}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(server.url)
    with page.expect_file_chooser() as chooser:  # its own camera
        page.get_by_role("button", name="Take a photo").click()
    assert chooser.value.element.get_attribute("capture") == "user"
    choose(page)
    for seen in ("#cancel", "#downloads a:has-text('MP4')"):
        expect(page.locator(seen)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == width
        sizes = page.locator("button:visible, a.button:visible").evaluate_all(
            "all => all.map((one) => one.getBoundingClientRect().height)"
        )
        assert min(sizes) >= 44, "as large as a fingertip"
        if seen == "#cancel":
            page.locator(seen).click()
            expect(page.get_by_role("heading", name="Cancelled")).to_be_visible()
            resume(page, done)
    context.close()


def test_the_token_is_asked_for_once(context: BrowserContext, tmp_path: Path) -> None:
    token = "twelve letters & a sign"
    with serving(tmp_path, "--token", token) as locked:
        page = context.new_page()
        page.goto(locked.url)
        for said in ("wrong", token):
            page.get_by_label("Token").fill(said)
            page.keyboard.press("Enter")
            if said == "wrong":
                expect(page.get_by_role("alert")).to_have_text("That is not the token.")
        expect(page.get_by_role("heading", name="One photo in")).to_be_visible()
        page.reload()
        choose(page, ROOT / "README.md")  # the page's own requests carry what the browser keeps
        expect(page.locator("#error")).to_contain_text("it is not a picture")
