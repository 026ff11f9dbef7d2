import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from fastavatar.app.settings import with_focal_length
from fastavatar.errors import FastAvatarError, InputError
from fastavatar.images import video
from fastavatar.images.video import read_stills, sharpness_of
from tests.clips import Rgb, write_clip
from tests.images import pictures
from tests.images.pictures import quarters
from tests.portraits import picture

EXPECTED = pictures.centers(pictures.quarters_rgb())


def large_quarters() -> Rgb:
    return np.asarray(quarters().resize((160, 120), Image.Resampling.NEAREST))


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "mts"])
def test_a_frame_has_its_colors_and_its_time(suffix: str, tmp_path: Path) -> None:
    stills = read_stills(write_clip(tmp_path / f"clip.{suffix}", [large_quarters()] * 5))
    assert len(stills) == 5
    for index, still in enumerate(stills):
        np.testing.assert_allclose(pictures.centers(still.photo.rgb), EXPECTED, atol=6)
        assert still.photo.at_seconds == pytest.approx(index / 10, abs=0.002)
        assert still.photo.alpha is None and still.photo.focal_px is None
    assert stills[3].photo.name == f"{tmp_path}/clip.{suffix} at 0.30 s"
    assert stills[3].photo.stem == "clip at 0.30 s"


@pytest.mark.parametrize(
    ("rotation_deg", "order"), [(90, [1, 3, 0, 2]), (-90, [2, 0, 3, 1]), (180, [3, 2, 1, 0])]
)
def test_a_video_of_a_turned_phone_stands_upright(
    rotation_deg: int, order: list[int], tmp_path: Path
) -> None:
    path = write_clip(tmp_path / "a.mp4", [large_quarters()] * 2, rotation_deg=rotation_deg)
    rgb = read_stills(path)[0].photo.rgb
    assert rgb.shape == ((160, 120, 3) if abs(rotation_deg) == 90 else (120, 160, 3))
    np.testing.assert_allclose(pictures.centers(rgb), EXPECTED[order], atol=6)


def test_hdr_of_a_phone_becomes_srgb_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import av

    path, white = tmp_path / "a.mp4", np.full((64, 64, 3), 191, np.uint8)  # 75 % of HLG: 203 cd/m²
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        colors = stream.codec_context
        colors.colorspace, colors.color_primaries, colors.color_trc, colors.color_range = 9, 9, 18, 1
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(white, format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p", dst_color_range="MPEG")))
        container.mux(stream.encode())
    for still in read_stills(path):
        assert still.photo.rgb.min() >= 245
    assert caplog.messages == [f"{path} is HDR: light above 203 cd/m² is compressed to fit sRGB"]


def test_of_many_frames_the_sharpest_of_each_span_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video, "STILLS", 3)
    sharp = picture().resize((256, 256))
    blurred = sharp.filter(ImageFilter.GaussianBlur(3))
    frames = [np.asarray(sharp if index % 4 == 2 else blurred) for index in range(24)]
    stills = read_stills(write_clip(tmp_path / "a.mp4", frames))
    assert [round(still.photo.at_seconds or 0, 1) for still in stills] == [0.2, 0.6, 1.0, 1.4, 1.8, 2.2]


def test_blur_lowers_sharpness() -> None:
    grey = picture().convert("L")
    values = [sharpness_of(np.asarray(grey.filter(ImageFilter.GaussianBlur(r)))) for r in (0, 1, 2, 4)]
    assert values == sorted(values, reverse=True) and values[1] < values[0] / 5


def test_only_the_beginning_of_a_long_video_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(video, "MAX_FRAMES", 12)
    path = write_clip(tmp_path / "a.mp4", [large_quarters()] * 40)
    assert len(read_stills(path)) == 12
    assert caplog.messages == [f"{path} is long: only its first 1 s are used"]


def test_large_frames_are_made_smaller(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", [np.zeros((1200, 2400, 3), np.uint8)])
    photo = read_stills(path)[0].photo
    assert photo.rgb.shape == (960, 1920, 3)
    assert with_focal_length(photo, 3000).focal_px == pytest.approx(2400)  # of frames as they are stored


def clip_bytes(tmp_path: Path) -> bytes:
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 255, (120, 160, 3), dtype=np.uint8) for _ in range(20)]
    return write_clip(tmp_path / "whole.mp4", frames).read_bytes()


def test_a_damaged_video_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole, path = clip_bytes(tmp_path), tmp_path / "a.mp4"
    sound = tmp_path / "sound.mkv"
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{tmp_path}/whole.mp4\n#EXT-X-ENDLIST\n"
    concat = f"ffconcat version 1.0\nfile {tmp_path}/whole.mp4\n"
    path.write_bytes(whole.replace(b"avc1", b"what"))
    with pytest.raises(InputError, match="its codec is unknown; export it as MP4 with H.264"):
        read_stills(path)
    for content in (
        b"junk" * 1000,
        whole[:3000],
        whole[: len(whole) // 2],
        playlist.encode(),
        concat.encode(),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            read_stills(path)
        said = str(caught.value)
        assert said.startswith(f"cannot read {path}: the video is cut off, damaged or of an unknown kind (")
        assert said.endswith("); copy or export it again, as MP4") and "\n" not in said
    import av

    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(InputError, match="it holds no pictures; give a video of a person"):
        read_stills(sound)
    with pytest.raises(InputError, match="there is no such file"):
        read_stills(tmp_path / "none.mp4")
    assert capfd.readouterr().err == ""


def test_what_precedes_the_damage_is_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Matroska has no index at its end, so a copy that broke off still has its beginning."""
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 255, (120, 160, 3), dtype=np.uint8) for _ in range(20)]
    whole = write_clip(tmp_path / "whole.mkv", frames).read_bytes()
    path = tmp_path / "a.mkv"
    path.write_bytes(whole[: len(whole) // 2])
    assert 0 < len(read_stills(path)) < 20


def test_without_pyav_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_clip(tmp_path / "a.mp4", [large_quarters()])
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(FastAvatarError) as caught:
        read_stills(path)
    assert (
        str(caught.value)
        == "reading a video needs PyAV: pip install '.[video]', or give single frames as photos"
    )
