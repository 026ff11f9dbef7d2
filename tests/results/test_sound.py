from pathlib import Path

import av
import numpy as np
import pytest

from fastavatar.results import Picture, write_video
from tests.clips import write_clip, write_tone

PICTURES: list[Picture] = [np.full((32, 32, 3), 5 * k, np.uint8) for k in range(30)]


def heard(path: Path) -> tuple[float, float]:
    """Seconds of sound in a video, and the frequency that is the loudest."""
    with av.open(str(path)) as file:
        rate = file.streams.audio[0].rate
        samples = np.concatenate([frame.to_ndarray().reshape(2, -1)[0] for frame in file.decode(audio=0)])
    spectrum = np.abs(np.fft.rfft(samples))
    return len(samples) / rate, float(np.argmax(spectrum) * rate / len(samples))


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".webm"])
@pytest.mark.parametrize("sounds_s", [1.5, 5.0])
def test_a_video_gets_the_sound_as_long_as_both_go(tmp_path: Path, ending: str, sounds_s: float) -> None:
    tone = write_tone(tmp_path / "tone.wav", sounds_s)
    path = tmp_path / f"video{ending}"
    write_video(PICTURES, path, fps=10, sound=tone)
    seconds, hertz = heard(path)
    assert seconds == pytest.approx(min(sounds_s, 3.0), abs=0.08)
    assert hertz == pytest.approx(440, abs=3)
    with av.open(str(path)) as file:
        assert sum(1 for _ in file.decode(video=0)) == 30


def test_the_sound_of_a_video_is_carried_on(tmp_path: Path) -> None:
    tone, first, second = (tmp_path / name for name in ("tone.wav", "first.mp4", "second.webm"))
    write_video(PICTURES, first, fps=10, sound=write_tone(tone, 3.0))
    write_video(PICTURES, second, fps=10, sound=first)
    seconds, hertz = heard(second)
    assert seconds == pytest.approx(3.0, abs=0.1) and hertz == pytest.approx(440, abs=3)


def test_silent_drivers_and_formats_stay_silent(tmp_path: Path) -> None:
    silent = write_clip(tmp_path / "silent.mp4", PICTURES)
    write_video(PICTURES, tmp_path / "a.mp4", fps=10, sound=silent)
    with av.open(str(tmp_path / "a.mp4")) as file:
        assert not file.streams.audio
    write_video(PICTURES, tmp_path / "a.gif", fps=10, sound=write_tone(tmp_path / "tone.wav", 1.0))
