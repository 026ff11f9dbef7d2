import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fastavatar.captures import read_cameras, read_capture
from fastavatar.captures.frames import distinct_names
from tests.synthetic_capture import HEIGHT, WIDTH, frame_entry, make_cameras, write_colmap, write_transforms

PATHS = ("cam0/0001", "cam1/0001", "cam0/0002", "cam1/0002", "cam2/0001")


def write_views(folder: Path, images: Sequence[str], masks: Sequence[str] = ()) -> None:
    """A capture of grey pictures, the i-th mask white on its i-th row only."""
    entries = []
    for image, camera in zip(images, make_cameras(), strict=False):
        save(folder / image, Image.new("RGB", (WIDTH, HEIGHT), (90, 90, 90)))
        entry = {**frame_entry(camera, "x"), "file_path": image}
        del entry["fg_mask_path"]
        entries.append(entry)
    for row, mask in enumerate(masks):
        picture = Image.new("L", (WIDTH, HEIGHT))
        picture.paste(255, (0, row, WIDTH, row + 1))
        save(folder / mask, picture)
    write_transforms(folder, entries)


def save(path: Path, picture: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def masked_rows(folder: Path) -> list[list[int]]:
    """For each view the rows its mask covers, all of them as an empty list."""
    found = []
    for view in read_capture(folder).views:
        rows = torch.nonzero(view.mask[:, 0] > 0.5).flatten().tolist()
        found.append([] if len(rows) == HEIGHT else rows)
        assert view.has_mask == (len(rows) < HEIGHT)
    return found


def test_views_of_one_file_name_have_names_of_their_own(tmp_path: Path) -> None:
    write_views(tmp_path, [f"images/{path}.png" for path in PATHS])
    expected = ["cam0_0001", "cam0_0002", "cam1_0001", "cam1_0002", "cam2_0001"]
    assert [view.name for view in read_capture(tmp_path).views] == expected
    assert [name for name, _ in read_cameras(tmp_path).views] == expected


def test_colmap_images_of_one_file_name_too(tmp_path: Path) -> None:
    write_views(tmp_path, [f"images/{path}.png" for path in PATHS], [f"masks/{path}.png" for path in PATHS])
    write_colmap(tmp_path)
    listed = tmp_path / "sparse" / "0" / "images.txt"
    text = listed.read_text()
    for index, path in enumerate(PATHS):
        text = text.replace(f"00000_{index:02d}.png", f"{path}.png")
    listed.write_text(text)
    found = read_capture(tmp_path, source="colmap").views
    assert [view.name for view in found] == ["cam0_0001", "cam0_0002", "cam1_0001", "cam1_0002", "cam2_0001"]
    assert [int(view.mask[:, 0].argmax()) for view in found] == [0, 2, 1, 3, 4]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["images/a.png", "images/b.png"], ["a", "b"]),
        (["train/a.png", "test/b.png"], ["a", "b"]),  # folders only where they are needed
        (["images/a.png", "images/a.jpg"], ["a.png", "a.jpg"]),
        (["images/a.png", "images/A.png"], ["0_a", "1_A"]),  # one file on some file systems
        (["x/y_z.png", "x_y/z.png"], ["y_z", "z"]),
        (["p/x/y_z.png", "p/x_y/z.png", "q/z.png"], ["0_y_z", "1_z", "2_z"]),  # two would be p_x_y_z
        (["images/frame.0001", "images/frame.0002"], ["frame.0001", "frame.0002"]),
        (["images/a.png"], ["a"]),
    ],
)
def test_names_are_as_short_as_they_can_be(paths: list[str], names: list[str]) -> None:
    assert distinct_names([Path("/capture") / path for path in paths]) == names


part = st.text("abAB_.0é", min_size=1, max_size=120).filter(lambda name: name.strip(".") != "")


@given(st.lists(st.lists(part, min_size=1, max_size=4).map("/".join), min_size=1, max_size=12))
def test_names_are_distinct_file_names(paths: list[str]) -> None:
    names = distinct_names([Path("/capture") / path for path in paths])
    assert len({name.casefold() for name in names}) == len(paths)
    assert all(
        name and "/" not in name and len(f".{name}.png.12345678.partial".encode()) < 256 for name in names
    )


@pytest.mark.parametrize(
    "where", ["masks/a.png", "fg_masks/a.png", "masks/a.jpg", "masks/a.jpg.png", "masks/a.webp"]
)
def test_a_mask_may_have_another_ending_than_its_image(where: str, tmp_path: Path) -> None:
    write_views(tmp_path, ["images/a.jpg", "images/b.jpg"], [where])
    assert masked_rows(tmp_path) == [[0], []]


def test_masks_of_images_of_one_name_are_not_mixed_up(tmp_path: Path) -> None:
    write_views(
        tmp_path, ["images/c0/a.jpg", "images/c1/a.jpg"], ["masks/c1/a.png", "masks/c0/a.png", "masks/a.png"]
    )
    assert masked_rows(tmp_path) == [[1], [0]]


def test_a_mask_without_its_folder_serves_only_the_one_image_it_can_mean(tmp_path: Path) -> None:
    write_views(
        tmp_path, ["images/c0/a.jpg", "images/c1/a.jpg", "images/c1/b.jpg"], ["masks/a.png", "masks/b.png"]
    )
    assert masked_rows(tmp_path) == [[], [], [1]]


def test_a_mask_of_the_very_name_is_not_lent_to_another_image(tmp_path: Path) -> None:
    write_views(tmp_path, ["images/a.jpg", "images/a.png"], ["masks/a.png"])
    assert masked_rows(tmp_path) == [[], [0]]


def test_the_number_of_views_with_masks_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "fastavatar")
    write_views(tmp_path, ["images/a.jpg", "images/b.jpg", "images/c.jpg"], ["masks/a.png"])
    read_capture(tmp_path)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == (
        f"1 of 3 views of {tmp_path} have masks: masked metrics of the others cover their whole images"
    )
    for name in "bc":
        save(tmp_path / "masks" / f"{name}.png", Image.new("L", (WIDTH, HEIGHT)))
    read_capture(tmp_path)
    assert caplog.records[-1].levelname == "INFO"
    assert caplog.records[-1].getMessage() == f"3 of 3 views of {tmp_path} have masks"


def test_a_mask_named_null_is_looked_for(tmp_path: Path) -> None:
    write_views(tmp_path, ["images/a.jpg"], ["masks/a.png"])
    content = json.loads((tmp_path / "transforms.json").read_text())
    content["frames"][0]["mask_path"] = None
    (tmp_path / "transforms.json").write_text(json.dumps(content))
    assert masked_rows(tmp_path) == [[0]]
