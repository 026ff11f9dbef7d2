from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fastavatar.errors import OverwriteError
from fastavatar.results.stills import earlier_stills, write_stills


def picture(value: int, channels: int = 3) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    return np.full((5, 7, channels), value, np.uint8)


def test_a_folder_of_stills_is_exact_and_the_rest_stays(tmp_path: Path) -> None:
    (tmp_path / "old.png").write_bytes(b"old")
    (tmp_path / "notes.txt").write_bytes(b"mine")
    write_stills([("frame_0", picture(1)), ("frame_1", picture(2, 4))], tmp_path, ["old.png"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frame_0.png", "frame_1.png", "notes.txt"]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "frame_0.png")), picture(1))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "frame_1.png")), picture(2, 4))


def test_stills_of_an_earlier_run_are_known_by_their_mark(tmp_path: Path) -> None:
    write_stills([("frame_0", picture(1)), ("side", picture(2))], tmp_path)
    Image.fromarray(picture(3)).save(tmp_path / "holiday.png")
    (tmp_path / "broken.png").write_bytes(b"no PNG")
    (tmp_path / "folder.png").mkdir()
    assert earlier_stills(tmp_path, ["frame_0", "frame_1"]) == ["frame_0.png", "side.png"]
    assert earlier_stills(tmp_path / "new", ["frame_0"]) == []


def write_foreign(path: Path, kind: str) -> None:
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        write_stills([("ours", picture(1))], path.parent / "elsewhere")
        path.symlink_to(path.parent / "elsewhere" / "ours.png")
    elif kind == "text":
        path.write_text("mine")
    else:
        info = PngInfo()
        info.add_text("Software", "another program")
        Image.fromarray(picture(9)).save(path, pnginfo=info if kind == "other" else None)


@pytest.mark.parametrize("kind", ["picture", "other", "text", "folder", "link"])
@pytest.mark.parametrize("name", ["frame_7", "side"])
def test_what_another_program_made_is_never_replaced(name: str, kind: str, tmp_path: Path) -> None:
    write_stills([("frame_0", picture(1))], tmp_path)
    write_foreign(tmp_path / f"{name}.png", kind)
    said = (
        f"{name}.png cannot be replaced, because another program made it: move it, or choose another folder"
    )
    with pytest.raises(OverwriteError, match=said):
        earlier_stills(tmp_path, ["frame_0", "side"])
    (tmp_path / "frame_1.png").write_bytes(b"")
    with pytest.raises(OverwriteError, match="frame_1.png and 1 more cannot be replaced"):
        earlier_stills(tmp_path, ["frame_0", "side"])
