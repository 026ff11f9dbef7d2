from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastavatar.errors import FastAvatarError, UsageError
from fastavatar.results.video import Picture, write_stills, write_video

HEIGHT, WIDTH, COUNT, FPS = 48, 64, 7, 12.5


def pictures(count: int = COUNT, height: int = HEIGHT, width: int = WIDTH) -> Iterator[Picture]:
    """Red grows to the right, green downward, blue with time."""
    for index in range(count):
        picture = np.empty((height, width, 3), np.uint8)
        picture[..., 0] = np.linspace(20, 230, width)[None]
        picture[..., 1] = np.linspace(20, 230, height)[:, None]
        picture[..., 2] = round(30 + 190 * index / max(count - 1, 1))
        yield picture


def apart(found: Picture, expected: Picture) -> float:
    return float(np.abs(found.astype(float) - expected).mean())


def read_with_opencv(path: Path) -> tuple[list[Picture], float]:
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    reader = cv2.VideoCapture(str(path))
    found: list[Picture] = []
    while True:
        there, picture = reader.read()
        if not there:
            return found, float(reader.get(cv2.CAP_PROP_FPS))
        found.append(picture[..., ::-1])


def test_opencv_reads_the_mp4(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    write_video(pictures(), tmp_path / "a.mp4", FPS)
    found, fps = read_with_opencv(tmp_path / "a.mp4")
    assert len(found) == COUNT and fps == pytest.approx(FPS)
    for picture, expected in zip(found, pictures(), strict=True):
        assert picture.shape == expected.shape
        assert apart(picture, expected) < 6


def test_the_mp4_says_which_colours_it_means_and_starts_before_it_is_all_there(tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="PyAV is not installed")
    write_video(pictures(), tmp_path / "a.mp4", FPS)
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
        assert context.color_range == 1
        frames = [
            frame.reformat(format="rgb24", src_colorspace="ITU709", src_color_range="MPEG").to_ndarray()
            for frame in container.decode(video=0)
        ]
    for found, expected in zip(frames, pictures(), strict=True):
        assert apart(found, expected) < 3
    content = (tmp_path / "a.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_odd_sides_are_drawn_out_by_a_pixel(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    write_video(pictures(3, 33, 45), tmp_path / "a.mp4", 30)
    found, _ = read_with_opencv(tmp_path / "a.mp4")
    assert found[0].shape == (34, 46, 3)
    assert apart(found[0][:33, :45], next(pictures(3, 33, 45))) < 8


@pytest.mark.parametrize(("ending", "tolerance"), [(".gif", 18.0), (".webp", 3.0)])
def test_animations_loop_and_keep_time(ending: str, tolerance: float, tmp_path: Path) -> None:
    write_video(pictures(), tmp_path / f"a{ending}", FPS)
    with Image.open(tmp_path / f"a{ending}") as animation:
        assert getattr(animation, "n_frames", 1) == COUNT and animation.info["loop"] == 0
        times, blues = [], []
        for index, expected in enumerate(pictures()):
            animation.seek(index)
            found = np.asarray(animation.convert("RGB"))
            assert apart(found, expected) < tolerance
            blues.append(float(found[..., 2].mean()))
            times.append(animation.info["duration"])
    assert blues == sorted(blues) and blues[-1] > blues[0] + 120
    assert sum(times) == pytest.approx(1000 * COUNT / FPS, abs=10)


def test_a_still_is_the_first_picture(tmp_path: Path) -> None:
    write_video(pictures(), tmp_path / "a.PNG", FPS)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.PNG")), next(pictures()))


def test_a_folder_of_stills_is_exact(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / "frame_9.png").write_bytes(b"old")
    (folder / "notes.txt").write_bytes(b"mine")
    write_stills(((f"frame_{index}", p) for index, p in enumerate(pictures())), folder, ["frame_9.png"])
    names = [f"frame_{index}.png" for index in range(COUNT)]
    assert sorted(path.name for path in folder.iterdir()) == [*names, "notes.txt"]
    for name, expected in zip(names, pictures(), strict=True):
        assert np.array_equal(np.asarray(Image.open(folder / name)), expected)


def failing() -> Iterator[Picture]:
    yield next(pictures())
    raise FastAvatarError("no more")


@pytest.mark.parametrize("ending", [".mp4", ".gif", ".webp"])
def test_what_fails_leaves_what_was_there(ending: str, tmp_path: Path) -> None:
    if ending == ".mp4":
        pytest.importorskip("av", reason="PyAV is not installed")
    path = tmp_path / f"a{ending}"
    path.write_bytes(b"before")
    with pytest.raises(FastAvatarError, match="no more"):
        write_video(failing(), path, FPS)
    sizes = [next(pictures()), next(pictures(1, 20, 30))]
    with pytest.raises(UsageError, match="one size, found 64×48 and 30×20: write them to a folder"):
        write_video(sizes, path, FPS)
    with pytest.raises(FastAvatarError, match=r"cannot write .*no such file or directory"):
        write_video(pictures(), tmp_path / "gone" / f"a{ending}", FPS)
    assert path.read_bytes() == b"before" and len(list(tmp_path.iterdir())) == 1


def test_endings_of_no_video(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"has an ending of no video: use one of \.mp4, \.gif, \.webp, \.png"
    ):
        write_video(pictures(), tmp_path / "a.avi", FPS)


def test_without_pyav_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(
        FastAvatarError, match=r"needs PyAV: pip install 'fastavatar\[video\]', or write \.webp"
    ):
        write_video(pictures(), tmp_path / "a.mp4", FPS)
