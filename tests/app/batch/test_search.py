import os
import socket
from pathlib import Path

import pytest

from fastavatar.app.batch.search import before_magic, search_folder, search_pattern


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def pngs(name: str, beside: set[str]) -> str | None:
    return None if name.endswith(".png") else "no png"


def matches(root: Path, pattern: str, skipped: str = "out") -> list[str]:
    found = search_pattern(str(root / pattern), str(root / skipped)).files
    return [os.path.relpath(path, root) for path in found]


def make_deep(root: Path) -> None:
    """Make a folder whose path is longer than 4,096 bytes, so that no path can name it."""
    here = os.open(root, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 240, dir_fd=here)
        below = os.open("d" * 240, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


PATTERNS = [
    "**/*.png",
    "a/**",
    "*/*/*.png",
    "**/a/**/*.png",
    "[ab]/**/x.png",
    "*/*/*/*/*/*/*/*/*/*/*/*/*.png",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_each_real_folder_is_searched_once_whatever_links_lead_to_it(pattern: str, tmp_path: Path) -> None:
    touch(tmp_path, "a/b/x.png", "a/y.png", "b/x.png")
    before = matches(tmp_path, pattern)
    for name in ("a/up", "a/again", "a/b/up", "b/up"):
        (tmp_path / name).symlink_to("..")
    (tmp_path / "0_other").symlink_to("a")
    (tmp_path / "circle").symlink_to("circle")
    found = matches(tmp_path, pattern)
    assert set(before) <= set(found), "the real names come first"
    real = [os.path.realpath(tmp_path / name) for name in found]
    assert len(real) == len(set(real))


def test_a_pattern_matches_as_the_standard_library_does(tmp_path: Path) -> None:
    import glob

    touch(
        tmp_path, "a/x.png", "a/b/x.png", "a/.hidden/x.png", "c/.y.png", "c/[1].png", "top.png", "d.png/x.txt"
    )
    for pattern in (
        "**/*.png",
        "*.png",
        "*/x.png",
        "**",
        "a/**/x.png",
        "**/.*",
        "**/.hidden/*",
        "c/[[]1].png",
    ):
        expected = glob.glob(str(tmp_path / pattern), recursive=True)
        files = sorted({path for path in expected if os.path.isfile(path)})
        assert [str(tmp_path / name) for name in matches(tmp_path, pattern)] == files, pattern


def test_a_link_to_a_folder_outside_is_followed_by_a_pattern(tmp_path: Path) -> None:
    touch(tmp_path, "photos/a.png", "elsewhere/b.png")
    (tmp_path / "photos" / "more").symlink_to("../elsewhere")
    assert matches(tmp_path, "photos/**/*.png") == ["photos/a.png", "photos/more/b.png"]


def test_the_skipped_folder_is_known_under_any_name(tmp_path: Path) -> None:
    touch(tmp_path, "out/a.png", "b.png")
    (tmp_path / "link").symlink_to("out")
    assert matches(tmp_path, "**/*.png") == ["b.png"]
    found = search_folder(str(tmp_path), str(tmp_path / "link"), pngs)
    assert found.files == [str(tmp_path / "b.png")]


def test_every_file_of_a_folder_is_taken_or_counted(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.txt", "c.txt", ".d.png", ".hidden/e.png", "f/g.png")
    (tmp_path / "linked").symlink_to("f")
    (tmp_path / "nowhere.png").symlink_to("missing")
    os.mkfifo(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.png"))
    found = search_folder(str(tmp_path), str(tmp_path / "out"), pngs)
    assert [os.path.relpath(path, tmp_path) for path in found.files] == [
        ".d.png",
        "a.png",
        "nowhere.png",
        "f/g.png",
    ]
    assert found.passed_over == {"no png": 2, "hidden": 1, "linked folder": 1, "not a regular file": 2}
    assert search_pattern(str(tmp_path / "*.png"), "out").passed_over == {"not a regular file": 2}


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    make_deep(tmp_path)
    for found in (
        search_folder(str(tmp_path), "out", pngs),
        search_pattern(str(tmp_path / "**/*.png"), "out"),
    ):
        assert found.files == [str(tmp_path / "a.png")]
        (unreadable,) = found.unreadable
        assert unreadable.endswith(": file name too long")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "locked/b.png")
    (tmp_path / "locked").chmod(0)
    for found in (
        search_folder(str(tmp_path), "out", pngs),
        search_pattern(str(tmp_path / "**/*.png"), "out"),
    ):
        assert found.unreadable == [f"{tmp_path / 'locked'}: permission denied"]
    (tmp_path / "locked").chmod(0o700)


def test_the_folder_before_a_patterns_wildcards_is_found() -> None:
    assert [before_magic(pattern) for pattern in ("*.jpg", "a/b/*.jpg", "/a/*/b")] == [".", "a/b", "/a"]
