from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from fastavatar.app.batch import contact_sheet
from fastavatar.app.batch.contact_sheet import write_contact_sheet
from fastavatar.app.batch.index import SHEET, started_index
from fastavatar.app.batch.tasks import Row
from tests.app.batch.test_index import BAD, GOOD

NASTY = "<script>alert(1)</script>&\"'#?%2e é.jpg"


class Page(HTMLParser):
    def __init__(self, folder: Path, name: str = SHEET) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed((folder / name).read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, tag: str, name: str) -> list[str]:
        return [found[name] or "" for name_of_tag, found in self.tags if name_of_tag == tag and name in found]


def write(folder: Path, *rows: Row) -> Page:
    with started_index(folder, rows):
        pass
    write_contact_sheet(folder, str(folder))
    return Page(folder)


def test_names_are_text_and_links_lead_to_the_files(tmp_path: Path) -> None:
    output = tmp_path / "a" / NASTY
    page = write(tmp_path, replace(GOOD, photo=NASTY, output=str(output)), replace(BAD, error=NASTY))
    assert not page.values("script", "src") and "script" not in [tag for tag, _ in page.tags]
    assert page.text.count(NASTY) == 2 and page.values("img", "alt") == [NASTY]
    (source,) = page.values("img", "src")
    assert source.split("/")[0] == "a" and not {"#", "?", "<", '"'} & set(source)
    assert tmp_path / unquote(source) == output / "preview.png"
    assert "2 photos, 1 failed" in page.text and "(code 3)" in page.text


def test_names_that_are_not_utf_8_are_shown(tmp_path: Path) -> None:
    page = write(tmp_path, replace(GOOD, photo="caf\udce9.jpg", output=str(tmp_path / "caf\udce9.jpg")))
    assert page.values("img", "src") == ["caf%E9.jpg/preview.png"] and "caf\\udce9.jpg" in page.text


def test_a_long_run_has_several_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_sheet, "_ROWS_A_PAGE", 2)
    rows = [replace(GOOD, photo=f"{n}.jpg", output=str(tmp_path / f"{n}.jpg")) for n in range(5)]
    first = write(tmp_path, *rows)
    second, third = (Page(tmp_path, f"contact_sheet_{n}.html") for n in (2, 3))
    assert [len(page.values("img", "src")) for page in (first, second, third)] == [2, 2, 1]
    assert second.values("a", "href")[:2] == [SHEET, "contact_sheet_3.html"]
    assert "next" in first.text and "next" not in third.text
    write(tmp_path, *rows[:3])
    assert sorted(path.name for path in tmp_path.glob("*.html")) == [SHEET, "contact_sheet_2.html"]


def test_a_run_without_photos_has_a_page(tmp_path: Path) -> None:
    assert "0 photos" in write(tmp_path).text
