import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fastavatar.core import Avatar, Photo
from fastavatar.errors import InputError, NoFaceError
from fastavatar.faces.insightface import FaceRecogniser
from fastavatar.images.photo import load_photo
from fastavatar.models.published.identity import Person
from fastavatar.models.published.loading import load
from fastavatar.models.published.made_up import write_made_up
from fastavatar.models.published.networks import Networks, load_networks
from fastavatar.models.published.options import PublishedOptions, ShRefit
from fastavatar.models.published.predictor import FastAvatarPredictor
from fastavatar.models.published.sh_refit import refit_sh
from tests.faces.insightface_pack import Box, write_pack
from tests.models.published.small import SMALL_DECODER, SMALL_POINTS
from tests.portraits import photo_of, small_left_large_right

LEFT: Box = (40, 200, 140, 320)
RIGHT: Box = (360, 160, 580, 440)
CHOICES: tuple[ShRefit, ShRefit] = ("auto", "off")
EXAMPLE = Path("data/example.png")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    write_made_up(folder, 1, SMALL_DECODER, SMALL_POINTS)
    return folder


@pytest.fixture(scope="module")
def networks(weights: Path) -> Networks:
    from fastavatar.weights.release import require_checkpoints

    return load_networks(require_checkpoints(weights), torch.device("cpu"))


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory: pytest.TempPathFactory) -> FaceRecogniser:
    return FaceRecogniser(write_pack(tmp_path_factory.mktemp("pack"), [RIGHT, LEFT]))


def summary_of(avatar: Avatar) -> dict[str, Any]:
    """The fields that the model adds to the summary."""
    return {name: value for facts in avatar.provenance.facts for name, value in facts.for_summary().items()}


def photo(alpha: NDArray[np.float32] | None = None) -> Photo:
    rgb = np.zeros((640, 640, 3), np.uint8)
    rgb[:, :250], rgb[:, 250:] = (200, 20, 30), (10, 30, 220)
    return Photo(rgb, alpha, None, Path("two.png"))


def test_the_face_decides_who_it_is(networks: Networks, recogniser: FaceRecogniser) -> None:
    predictor = FastAvatarPredictor(networks, Person(recogniser), crop="none")
    largest, left, right = (predictor.predict(photo(), face) for face in (None, 0, 1))
    assert np.array_equal(largest.arrays["w_vector"], right.arrays["w_vector"])
    assert not np.allclose(left.arrays["w_vector"], right.arrays["w_vector"])
    assert largest.face is not None and left.face is not None
    assert (largest.face.index, left.face.index, left.face.count) == (1, 0, 2)
    assert left.face.box == pytest.approx(LEFT, abs=2)
    assert summary_of(largest)["face_index"] == 1
    assert any("shows 2 faces: took number 1" in warning for warning in largest.provenance.warnings)
    # without a crop the points come from the whole photo, whoever it is
    assert np.array_equal(left.arrays["dino_points"], right.arrays["dino_points"])


def test_the_crop_follows_the_face_and_the_camera_follows_the_crop(
    networks: Networks, recogniser: FaceRecogniser
) -> None:
    alpha = np.ones((640, 640), np.float32)  # a photo that came cut out brings its own mask
    alpha[:100] = 0
    predictor = FastAvatarPredictor(networks, Person(recogniser), crop="auto")
    left, right = (predictor.predict(photo(alpha), face) for face in (0, 1))
    assert not np.array_equal(left.arrays["dino_points"], right.arrays["dino_points"])
    assert left.camera.width == right.camera.width == 640
    assert float(left.camera.K[0, 0]) < float(right.camera.K[0, 0])  # a smaller face is further away
    box = summary_of(left)["crop_box_px"]
    assert isinstance(box, list) and box[0] < LEFT[0] and box[2] > LEFT[2]
    assert summary_of(left)["background_removed"] is True


def test_a_photo_without_a_person_is_an_error(networks: Networks, tmp_path: Path) -> None:
    nobody = FaceRecogniser(write_pack(tmp_path, []))
    with pytest.raises(NoFaceError, match="640×640"):
        FastAvatarPredictor(networks, Person(nobody), crop="none").predict(photo())


def test_a_face_is_chosen_also_where_the_embedding_is_given(networks: Networks) -> None:
    """Face Mesh then finds the chosen face; a face that is not there is an error."""
    given = Person(embedding=np.ones(512, np.float32))
    two = photo_of(small_left_large_right())
    predictor = FastAvatarPredictor(networks, given, crop="none")
    chosen = predictor.predict(two, 0).face
    assert chosen is not None and (chosen.index, chosen.count) == (0, 2)
    with pytest.raises(NoFaceError, match="there is no face 2"):
        predictor.predict(two, 2)


def test_a_face_embedding_or_w_is_required(networks: Networks) -> None:
    with pytest.raises(InputError, match="to make an avatar from"):
        FastAvatarPredictor(networks, Person(), crop="none").predict(photo())


def test_the_summary_is_plain_json(networks: Networks, recogniser: FaceRecogniser) -> None:
    avatar = FastAvatarPredictor(networks, Person(recogniser), crop="none").predict(photo())
    json.dumps(summary_of(avatar), allow_nan=False)
    assert {"recognise", "identity", "points", "decode"} <= avatar.provenance.seconds.keys()
    assert avatar.provenance.model == "fastavatar" and "non-commercial" in avatar.provenance.licence


def test_the_example_is_framed_and_freed_from_its_background(weights: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "e.npy", np.ones(512, np.float32))
    given = PublishedOptions(embedding=tmp_path / "e.npy")
    avatar = load("cpu", given, cache_dir=weights, offline=True).predict(load_photo(EXAMPLE))
    extra = summary_of(avatar)
    assert extra["crop"] == "auto" and extra["background_removed"] is True
    whole = replace(given, crop="none")
    plain = load("cpu", whole, cache_dir=weights).predict(load_photo(EXAMPLE))
    assert avatar.face is not None and plain.face is None
    assert not np.array_equal(plain.arrays["dino_points"], avatar.arrays["dino_points"])
    assert np.array_equal(plain.arrays["w_vector"], avatar.arrays["w_vector"])


def test_the_same_photo_gives_the_same_numbers(networks: Networks, recogniser: FaceRecogniser) -> None:
    predictor = FastAvatarPredictor(networks, Person(recogniser), crop="none")
    first, second = (predictor.predict(photo()).gaussians.tensors() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_gaussians_follow_from_the_latent(networks: Networks, recogniser: FaceRecogniser) -> None:
    predictor = FastAvatarPredictor(networks, Person(recogniser), crop="none", sh_refit="off")
    avatar = predictor.predict(photo())
    assert avatar.latent is not None
    again = avatar.latent.copied("cpu")
    again.w.requires_grad_()
    torch.testing.assert_close(again.gaussians().sh, avatar.gaussians.sh)
    again.gaussians().sh.sum().backward()  # type: ignore[no-untyped-call]
    assert again.w.grad is not None and again.w.grad.norm() > 0


def test_colours_are_refitted_unless_that_is_off(networks: Networks, recogniser: FaceRecogniser) -> None:
    auto, off = (
        FastAvatarPredictor(networks, Person(recogniser), crop="none", sh_refit=choice).predict(photo())
        for choice in CHOICES
    )
    assert off.latent is not None
    assert torch.equal(off.gaussians.sh, off.latent.gaussians().sh)
    assert torch.equal(auto.gaussians.sh, refit_sh(off.gaussians.sh))
    assert torch.equal(auto.gaussians.means, off.gaussians.means)
    assert [summary_of(avatar)["sh_refit"] for avatar in (auto, off)] == ["auto", "off"]


def test_many_photos_at_once_give_what_each_gives_alone(
    networks: Networks, recogniser: FaceRecogniser
) -> None:
    predictor = FastAvatarPredictor(networks, Person(recogniser), crop="none")
    photos = [photo(), replace(photo(), rgb=photo().rgb[:, ::-1].copy())]
    together = predictor.predict_many(photos)
    for one, many in zip(map(predictor.predict, photos), together, strict=True):
        assert not isinstance(many, Exception)
        for name, value in one.gaussians.tensors().items():
            torch.testing.assert_close(many.gaussians.tensors()[name], value, rtol=0, atol=2e-6)
        assert one.arrays.keys() == many.arrays.keys()
        for name, array in one.arrays.items():
            np.testing.assert_allclose(many.arrays[name], array, atol=2e-6)
            assert many.arrays[name].shape == array.shape
        torch.testing.assert_close(many.camera.world_to_camera, one.camera.world_to_camera)
        assert one.provenance.seconds.keys() == many.provenance.seconds.keys()
    assert isinstance(together[0], Avatar) and isinstance(together[1], Avatar)
    assert not np.array_equal(together[0].arrays["dino_points"], together[1].arrays["dino_points"])


def test_one_bad_photo_does_not_affect_the_others(networks: Networks, recogniser: FaceRecogniser) -> None:
    predictor = FastAvatarPredictor(networks, Person(recogniser), crop="none")
    found = predictor.predict_many([photo(), photo(), photo()], face=5)
    assert [type(one) for one in found] == [NoFaceError] * 3
    with pytest.raises(NoFaceError):
        predictor.predict(photo(), face=5)
    empty = replace(photo(), rgb=np.zeros((640, 640, 3), np.uint8)[:0])
    found = predictor.predict_many([empty, photo()])
    assert isinstance(found[0], Exception) and isinstance(found[1], Avatar)
    alone = predictor.predict(photo())
    np.testing.assert_array_equal(found[1].arrays["dino_points"], alone.arrays["dino_points"])
