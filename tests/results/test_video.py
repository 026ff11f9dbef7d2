from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastavatar.errors import FastAvatarError, UsageError
from fastavatar.results import video
from fastavatar.results.video import Picture, write_video, writer_of

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


def with_alpha() -> Iterator[Picture]:
    """The pictures with a hole on the left half, half covered at the top."""
    for picture in pictures():
        alpha = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
        alpha[: HEIGHT // 2] = 160
        alpha[:, : WIDTH // 2] = 0
        yield np.concatenate([picture, alpha], 2)


def read_with_pyav(path: Path, decoder: str | None = None) -> tuple[str, str, list[Picture]]:
    """Codec, pixel format and pictures (H, W, 4); of the VP9 decoders only libvpx reads alpha."""
    av = pytest.importorskip("av", reason="PyAV is not installed")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if decoder is None:
            frames = list(container.decode(video=0))
        else:
            context = av.CodecContext.create(decoder, "r")
            context.extradata = stream.codec_context.extradata
            frames = [frame for packet in container.demux(stream) for frame in context.decode(packet)]
        name = stream.codec_context.name
    turned = [
        frame.reformat(format="rgba", src_colorspace="ITU709", src_color_range="MPEG").to_ndarray()
        for frame in frames
    ]
    return name, frames[0].format.name, turned


@pytest.mark.parametrize(
    ("ending", "codec", "pixels"), [(".mov", "h264", "yuv420p"), (".webm", "vp9", "yuv420p")]
)
def test_other_videos_hold_the_same_pictures(ending: str, codec: str, pixels: str, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    write_video(pictures(), tmp_path / f"a{ending}", FPS)
    name, form, found = read_with_pyav(tmp_path / f"a{ending}")
    assert (name, form, len(found)) == (codec, pixels, COUNT)
    for picture, expected in zip(found, pictures(), strict=True):
        assert apart(picture[..., :3], expected) < 3
    assert len(read_with_opencv(tmp_path / f"a{ending}")[0]) == COUNT


@pytest.mark.parametrize(
    ("ending", "decoder", "pixels"), [(".mov", None, "yuva444p"), (".webm", "libvpx-vp9", "yuva420p")]
)
def test_videos_keep_alpha(ending: str, decoder: str | None, pixels: str, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    write_video(with_alpha(), tmp_path / f"a{ending}", FPS)
    if ending == ".webm":
        assert bytes.fromhex("53c08101") in (tmp_path / "a.webm").read_bytes()  # AlphaMode 1, for browsers
    _, form, found = read_with_pyav(tmp_path / f"a{ending}", decoder)
    assert form.startswith(pixels) and len(found) == COUNT
    for picture, expected in zip(found, with_alpha(), strict=True):
        assert np.abs(picture[..., 3].astype(int) - expected[..., 3]).mean() < 4
        assert apart(picture[..., :3], expected[..., :3]) < 4


def test_webp_and_png_keep_alpha_and_gif_a_part_of_it(tmp_path: Path) -> None:
    for ending in (".webp", ".png", ".gif"):
        write_video(with_alpha(), tmp_path / f"a{ending}", FPS)
        with Image.open(tmp_path / f"a{ending}") as animation:
            assert getattr(animation, "n_frames", 1) == (1 if ending == ".png" else COUNT)
            for index, expected in enumerate(with_alpha()):
                if index < getattr(animation, "n_frames", 1):
                    animation.seek(index)
                    found = np.asarray(animation.convert("RGBA"))
                    alpha = expected[..., 3] if ending != ".gif" else (expected[..., 3] >= 128) * 255
                    assert np.array_equal(found[..., 3], alpha)
                    seen = alpha > 0
                    assert apart(found[seen][:, :3], expected[seen][:, :3]) < 20


def test_mp4_has_no_alpha(tmp_path: Path) -> None:
    said = r"a\.mp4 cannot be transparent, as \.mp4 has no alpha: use one of \.webm, \.mov, \.gif,"
    with pytest.raises(UsageError, match=said):
        write_video(with_alpha(), tmp_path / "a.mp4", FPS)
    with pytest.raises(UsageError, match=said):
        writer_of(tmp_path / "a.mp4", transparent=True)
    assert not list(tmp_path.iterdir())


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


def failing() -> Iterator[Picture]:
    yield next(pictures())
    raise FastAvatarError("no more")


@pytest.mark.parametrize("ending", [".mp4", ".webm", ".mov", ".gif", ".webp"])
def test_what_fails_leaves_what_was_there(ending: str, tmp_path: Path) -> None:
    if ending in (".mp4", ".webm", ".mov"):
        pytest.importorskip("av", reason="PyAV is not installed")
    path = tmp_path / f"a{ending}"
    path.write_bytes(b"before")
    with pytest.raises(FastAvatarError, match="no more"):
        write_video(failing(), path, FPS)
    sizes = [next(pictures()), next(pictures(1, 20, 30))]
    with pytest.raises(UsageError, match="one size, found 64×48 and 30×20: write them to a folder"):
        write_video(sizes, path, FPS)
    with pytest.raises(FastAvatarError, match=r"cannot write .*not a directory"):
        write_video(pictures(), path / f"a{ending}", FPS)
    assert path.read_bytes() == b"before" and len(list(tmp_path.iterdir())) == 1


def test_endings_of_no_video_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError,
        match=r"not have the ending of a video: use one of \.mp4, \.webm, \.mov, \.gif, \.webp, \.png, or a",
    ):
        write_video(pictures(), tmp_path / "a.avi", FPS)


def test_without_pyav_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    for ending in (".mp4", ".webm", ".mov"):
        told = rf"^writing \{ending} needs PyAV: pip install '\.\[video\]', or write \.webp$"
        with pytest.raises(FastAvatarError, match=told):
            write_video(pictures(), tmp_path / f"a{ending}", FPS)


def test_a_pyav_without_the_encoder_is_reported_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    lacking = replace(video._OPAQUE[".webm"], codec="libnothing")
    monkeypatch.setitem(video._OPAQUE, ".webm", lacking)
    with pytest.raises(
        FastAvatarError, match=r"^writing \.webm needs libnothing, which this PyAV lacks: pip"
    ):
        writer_of(tmp_path / "a.webm")


def test_no_pictures_are_no_video(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there are no pictures for .*a\.webp"):
        write_video([], tmp_path / "a.webp", FPS)
