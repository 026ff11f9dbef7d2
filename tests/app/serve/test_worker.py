from collections.abc import Callable
from functools import partial
from pathlib import Path
from shutil import copyfile
from typing import Any

import av
import pytest

from fastavatar.app.pipeline import Pipeline
from fastavatar.app.serve import Choices, ClipName, Job, Worker
from fastavatar.app.serve.worker import in_words, without_folders
from fastavatar.app.settings import Settings
from fastavatar.core import Avatar
from fastavatar.errors import NoFaceError
from fastavatar.results import head_cameras
from fastavatar.rig import Motion, still
from tests.portraits import PORTRAIT
from tests.results.avatars import make_avatar

SUMMARY: dict[str, Any] = {
    "model": "facemesh",
    "num_gaussians": 44344,
    "device": "cpu",
    "seconds": {"find faces": 0.5, "write": 0.25},
    "head_pose": {"yaw_deg": 0.4, "pitch_deg": -2.0, "roll_deg": 1.0},
    "image": {"width": 640, "height": 480},
    "face": {"box": [100.0, 50.0, 292.0, 250.0], "index": 0, "count": 1},
    "licence": "free for any use",
}


def test_a_plain_result_is_described_in_sentences() -> None:
    assert in_words(SUMMARY) == (
        "44,344 Gaussians, made by the embedded model in 0.8 s on the CPU.",
        "In the photo the head looks straight at the camera.",
        "The face is 192 pixels wide in a photo of 640 × 480.",
        "Terms of use: free for any use.",
    )


def test_the_heads_turn_is_described_from_the_persons_side() -> None:
    def pose(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> str:
        return in_words({**SUMMARY, "head_pose": {"yaw_deg": yaw, "pitch_deg": pitch, "roll_deg": roll}})[1]

    assert pose(12) == "In the photo the head is turned 12° to its left."
    assert pose(-12, 5) == "In the photo the head is turned 12° to its right and raised by 5°."
    assert (
        pose(12, -5, 9)
        == "In the photo the head is turned 12° to its left, lowered by 5° and tilted 9° to its left."
    )


def test_a_result_without_a_face_and_on_a_gpu_is_described() -> None:
    told = in_words({**SUMMARY, "face": None, "device": "cuda:1", "model": "fastavatar"})
    assert told[0].startswith("44,344 Gaussians, made by the published networks in 0.8 s on the GPU")
    assert told[2] == "The photo has 640 × 480 pixels."


def test_folders_of_the_server_are_left_out_of_every_text() -> None:
    told = {"refinement": {"no_lpips": "needs a backbone at /root/.cache/torch/vgg.pth"}, "steps": 3}
    assert without_folders(told) == {"refinement": {"no_lpips": "needs a backbone at vgg.pth"}, "steps": 3}
    assert without_folders(("cannot read /a/b c.pth", 1.5)) == ("cannot read b c.pth", 1.5)
    for text in ("see https://example.org/a/b", "and/or", "a / b"):
        assert without_folders(text) == text


@pytest.fixture
def worked(
    avatar: Avatar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[tuple[ClipName, ...]], Job]:
    """Works on the portrait with an avatar that is at hand, clips of one frame and a turntable of three."""
    monkeypatch.setattr(Pipeline, "predict", lambda *_: avatar)
    monkeypatch.setattr("fastavatar.app.serve.worker.clip", lambda name: one_frame())
    monkeypatch.setattr("fastavatar.app.serve.worker.head_cameras", partial(head_cameras, frames=3))

    def work(clips: tuple[ClipName, ...]) -> Job:
        job = Job(tmp_path, "portrait.png", Choices(clips=clips))
        copyfile(PORTRAIT, job.photo)
        Worker(Pipeline(Settings(model="facemesh", device="cpu")))(job)
        return job

    return work


def one_frame() -> Motion:
    return still({"jawOpen": 0.5})


def test_a_head_is_played_with_the_clips_that_were_asked_for(
    worked: Callable[[tuple[ClipName, ...]], Job],
) -> None:
    job = worked(("vowels",))
    assert job.status.state == "done" and job.status.files[-1] == "vowels.mp4"
    assert [stage.name for stage in job.status.stages[-2:]] == ["bind", "clip vowels"]
    with av.open(str(job.results / "vowels.mp4")) as video:
        assert len(list(video.decode(video=0))) == 1


def test_a_head_that_cannot_be_moved_keeps_its_other_results(
    worked: Callable[[tuple[ClipName, ...]], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Avatar) -> None:
        raise NoFaceError("no face is found on the Gaussians")

    small = make_avatar()
    monkeypatch.setattr(Pipeline, "predict", lambda *_: small)
    monkeypatch.setattr("fastavatar.app.serve.worker.bind", refuse)
    job = worked(("idle",))
    assert job.status.state == "done" and "turntable.mp4" in job.status.files
    assert "idle.mp4" not in job.status.files
    assert "cannot be played with clips: no face is found" in job.status.warnings[-1]
