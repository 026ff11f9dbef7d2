import json
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image

from fastavatar.app.cli.main import run
from fastavatar.app.cli.several import photos_of_one
from fastavatar.errors import InputError, UsageError
from tests.app.batch.test_search import make_deep
from tests.clips import write_clip
from tests.models.facemesh.several import FOCAL_PX, photo_from
from tests.portraits import PORTRAIT, without_face

SCHEMA = json.loads(files("fastavatar.results").joinpath("summary.schema.json").read_text("utf-8"))


def predict(folder: Path, *flags: str) -> int:
    cache = folder.parent / "no_cache"
    return run(["predict", "--output_dir", str(folder), "--cache_dir", str(cache), "--quiet", *flags])


@pytest.fixture
def messages(capfd: pytest.CaptureFixture[str]) -> Any:
    return lambda: capfd.readouterr().err.splitlines()


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two photos of one person and, between them by name, one without a face."""
    folder = tmp_path_factory.mktemp("person")
    for name, azimuth_deg in (("a", 0.0), ("c", -35.0)):
        Image.fromarray(photo_from(azimuth_deg).rgb).save(folder / f"{name}.png")
    Image.fromarray(without_face()).save(folder / "b.png")
    return folder


def test_a_folder_of_one_person_becomes_one_head(person: Path, tmp_path: Path, messages: Any) -> None:
    folder = tmp_path / "results"
    flags = ("--image", str(person), "--subject", "--views", "0", "2", "--focal_px", str(FOCAL_PX))
    assert predict(folder, *flags) == 0, messages()
    assert messages() == []
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(SCHEMA).validate(summary)
    assert summary["image_path"] == str(person / "a.png") and summary["model"] == "facemesh"
    assert summary["model_reason"] == "several photos of one person: only it takes them"
    assert [photo["image_path"] for photo in summary["photos"]] == [
        str(person / name) for name in ("a.png", "c.png")
    ]
    assert summary["photos"][0]["world_to_camera"] == summary["camera"]["world_to_camera"]


def test_the_photo_without_a_face_is_named(person: Path, tmp_path: Path, messages: Any) -> None:
    images = [flag for name in "ab" for flag in ("--image", str(person / f"{name}.png"))]
    assert predict(tmp_path / "results", *images) == 3
    (line,) = messages()
    assert line.startswith(f"error: {person / 'b.png'}: no face found in the photo (80×60 px)")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (
            ["--views", "0"],
            "error: --views chooses photos of one person: give --image several times, or --subject",
        ),
        (
            ["--image", "b.jpg", "--views", "0,2"],
            "error: --views 0,2: there are photos 0 to 1, as in --views 0,1",
        ),
        (
            ["--image", "b.jpg", "--views", "first"],
            "error: Invalid value for '--views': 'first' is not a list of numbers from 0, such as 0,2; "
            "see fastavatar predict --help",
        ),
        (
            ["--image", str(PORTRAIT), "--face", "0"],
            "error: a face can be chosen in one photo only: in several the largest is taken",
        ),
        (
            ["--image", str(PORTRAIT), "--model", "fastavatar"],
            "error: the published networks take one photo: give one, or choose the model facemesh",
        ),
    ],
)
def test_flags_that_make_no_sense_are_exit_code_2(
    flags: list[str], line: str, tmp_path: Path, messages: Any
) -> None:
    assert predict(tmp_path / "results", "--image", str(PORTRAIT), *flags) == 2
    assert messages() == [line]


def test_views_are_taken_in_the_order_named() -> None:
    images = ("a.png", "b.png", "c.png")
    assert photos_of_one(images, False, "2,0,2", "out") == [Path("c.png"), Path("a.png")]
    assert photos_of_one(images, False, None, "out") == [Path(name) for name in images]
    assert photos_of_one(("a.png",), False, None, "out") is None
    with pytest.raises(UsageError):
        photos_of_one(images, False, "3", "out")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of one head from three sides, 2 frames a second."""
    frames = [photo_from(azimuth_deg).rgb for azimuth_deg in (-35.0, 0.0, 20.0)]
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", frames, fps=2)


def test_a_video_of_one_person_becomes_one_head(clip: Path, tmp_path: Path, messages: Any) -> None:
    folder = tmp_path / "results"
    assert predict(folder, "--image", str(clip), "--focal_px", str(FOCAL_PX)) == 0, messages()
    assert messages() == []
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(SCHEMA).validate(summary)
    assert summary["image_path"] == f"{clip} at 0.50 s"
    assert sorted(photo["image_path"] for photo in summary["photos"]) == [
        f"{clip} at {seconds} s" for seconds in ("0.00", "0.50", "1.00")
    ]


@pytest.mark.parametrize(
    ("make", "code", "message"),
    [
        (lambda path: path.write_bytes(b"no video" * 99), 4, "cannot read {}: the video is cut off, damaged"),
        (
            lambda path: write_clip(path, [grey_frame()] * 2),
            3,
            "no face found in 2 frames of {}: give a video",
        ),
        (lambda path: None, 4, "cannot read {}: there is no such file"),
    ],
)
def test_an_unusable_video_is_an_error_of_one_line(
    make: Callable[[Path], object], code: int, message: str, tmp_path: Path, messages: Any
) -> None:
    path = tmp_path / "clip.MP4"
    make(path)
    assert predict(tmp_path / "results", "--image", str(path)) == code
    (line,) = messages()
    assert line.startswith(f"error: {message.format(path)}")
    assert not (tmp_path / "results").exists()


def grey_frame() -> Any:
    return np.full((120, 160, 3), 90, np.uint8)


def test_photos_of_one_person_are_not_left_out_in_silence(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    make_deep(tmp_path)
    with pytest.raises(InputError, match="photos may be missing, cannot read .*: allow reading it"):
        photos_of_one([str(tmp_path)], True, None, "out")
    shutil.rmtree(tmp_path / ("d" * 240))
