from pathlib import Path

import numpy as np
import pytest

from fastavatar.errors import NoFaceError, WeightsError
from fastavatar.faces import FaceRecogniser, choose_face, find_face
from tests.faces.insightface_pack import Box, write_detector, write_pack, write_recogniser

LEFT: Box = (40, 200, 140, 320)
RIGHT: Box = (360, 160, 580, 440)
RED, BLUE = (200, 20, 30), (10, 30, 220)


def two_people() -> np.ndarray:
    """A photo, red to the left of its middle and blue to the right."""
    rgb = np.zeros((640, 640, 3), np.uint8)
    rgb[:, :250], rgb[:, 250:] = RED, BLUE
    return rgb


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # the detector names the larger face first
    return write_pack(tmp_path_factory.mktemp("pack"), [RIGHT, LEFT])


def test_faces_are_counted_from_the_left_with_boxes_in_pixels(pack: Path) -> None:
    faces = FaceRecogniser(pack).find(two_people())
    assert [(face.index, face.count) for face in faces] == [(0, 2), (1, 2)]
    for face, box in zip(faces, (LEFT, RIGHT), strict=True):
        assert face.box == pytest.approx(box, abs=0.01)
        assert face.embedding.shape == (512,) and face.embedding.dtype == np.float32


def test_boxes_scale_with_the_photo(pack: Path) -> None:
    large = np.repeat(np.repeat(two_people(), 2, 0), 2, 1)
    faces = FaceRecogniser(pack).find(large)
    assert faces[0].box == pytest.approx([2 * edge for edge in LEFT], abs=0.1)


def test_the_recogniser_sees_red_as_red(pack: Path) -> None:
    for face, color in zip(FaceRecogniser(pack).find(two_people()), (RED, BLUE), strict=True):
        seen = face.embedding[:3] * 127.5 + 127.5  # as ArcFace's input is normalised
        assert seen == pytest.approx(color, abs=1)


def test_the_figures_are_those_of_insightfaces_own_pipeline(pack: Path) -> None:
    from insightface.app import FaceAnalysis

    whole = FaceAnalysis(str(pack), allowed_modules=["detection", "recognition"])
    whole.prepare(0, det_size=(640, 640))
    theirs = sorted(whole.get(two_people()[..., ::-1]), key=lambda face: face.bbox[0])
    for face, other in zip(FaceRecogniser(pack).find(two_people()), theirs, strict=True):
        assert np.array_equal(face.embedding, other.embedding)
        assert face.box == tuple(other.bbox.tolist())


def test_the_largest_is_taken_unless_one_is_named(pack: Path) -> None:
    faces = FaceRecogniser(pack).find(two_people())
    assert choose_face(faces) is faces[1]
    assert choose_face(faces, 0) is faces[0]
    with pytest.raises(NoFaceError, match="no face 2: the photo shows 2"):
        choose_face(faces, 2)
    with pytest.raises(NoFaceError, match="no face -1"):
        choose_face(faces, -1)


def test_a_photo_without_a_face_is_reported(tmp_path: Path) -> None:
    recogniser = FaceRecogniser(write_pack(tmp_path, []))
    assert recogniser.find(two_people()) == []
    with pytest.raises(NoFaceError, match="640×480 px.*or give the face's embedding instead"):
        find_face(recogniser, two_people()[:480])


def test_nothing_is_printed_on_stdout(pack: Path, capfd: pytest.CaptureFixture[str]) -> None:
    FaceRecogniser(pack).find(two_people())
    assert capfd.readouterr().out == ""


def test_models_that_are_not_used_are_not_loaded(tmp_path: Path) -> None:
    write_pack(tmp_path, [LEFT])
    for name in ("1k3d68.onnx", "2d106det.onnx", "genderage.onnx"):
        (tmp_path / name).write_bytes(b"would fail if it were read")
    assert len(FaceRecogniser(tmp_path).find(two_people())) == 1


@pytest.mark.parametrize("content", [b"", b"hello", b"\x08\x08" * 100])
def test_a_damaged_model_is_reported_with_its_name(tmp_path: Path, content: bytes) -> None:
    write_pack(tmp_path, [LEFT])
    (tmp_path / "rec.onnx").write_bytes(content)
    with pytest.raises(WeightsError, match=r"rec\.onnx|recognition") as caught:
        FaceRecogniser(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_pack_without_one_of_the_two_is_reported(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no InsightFace detection model"):
        FaceRecogniser(tmp_path)
    write_detector(tmp_path / "det.onnx", [LEFT])
    with pytest.raises(WeightsError, match="no InsightFace recognition model"):
        FaceRecogniser(tmp_path)
    write_recogniser(tmp_path / "rec.onnx")
    FaceRecogniser(tmp_path)
