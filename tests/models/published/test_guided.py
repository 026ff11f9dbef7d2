from pathlib import Path

import numpy as np
import pytest
import torch

from fastavatar.errors import InputError, NoFaceError
from fastavatar.faces.insightface import FaceRecogniser
from fastavatar.models.published.guided import GuidedNetworks
from fastavatar.models.published.identity import Person
from fastavatar.models.published.made_up import write_made_up
from fastavatar.models.published.networks import Pair, load_pair
from tests.faces.insightface_pack import write_pack
from tests.models.published.small import POINTS, SMALL_DECODER, SMALL_POINTS

RED, BLUE = (np.full((640, 640, 3), color, np.uint8) for color in ((200, 20, 30), (10, 30, 220)))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    paths = write_made_up(tmp_path_factory.mktemp("pair"), 1, SMALL_DECODER, SMALL_POINTS)
    return load_pair(paths, torch.device("cpu"))


def _networks(pair: Pair, identity: Person) -> GuidedNetworks:
    return GuidedNetworks(pair.encoder, pair.decoder, identity, "cpu")


def test_several_photos_give_the_mean_direction_of_their_embeddings(pair: Pair, tmp_path: Path) -> None:
    recogniser = FaceRecogniser(write_pack(tmp_path, [(200, 200, 400, 460)]))
    points = torch.rand(POINTS, 3)
    latent = _networks(pair, Person(recogniser)).latent([RED, BLUE], points)
    red, blue = (recogniser.find(photo)[0].embedding for photo in (RED, BLUE))
    mean = red / np.linalg.norm(red) + blue / np.linalg.norm(blue)
    assert pair.encoder is not None
    torch.testing.assert_close(latent.w, pair.encoder(torch.from_numpy(mean)[None]))
    assert torch.equal(latent.points, points)
    one = _networks(pair, Person(recogniser)).latent([RED], points)
    torch.testing.assert_close(one.w, pair.encoder(torch.from_numpy(red)[None]))
    assert not torch.allclose(one.w, latent.w)


def test_a_w_that_is_given_is_taken_as_it_is(pair: Pair) -> None:
    w = np.linspace(-1, 1, 512, dtype=np.float32)
    latent = _networks(pair, Person(w_vector=w)).latent([RED], torch.rand(POINTS, 3))
    assert torch.equal(latent.w, torch.from_numpy(w)[None])


def test_photos_without_a_face_and_other_points_are_reported(pair: Pair, tmp_path: Path) -> None:
    nobody = FaceRecogniser(write_pack(tmp_path, []))
    with pytest.raises(NoFaceError, match="640×640"):
        _networks(pair, Person(nobody)).latent([RED, BLUE], torch.rand(POINTS, 3))
    with pytest.raises(InputError, match=f"needs {POINTS} points"):
        _networks(pair, Person(nobody)).latent([RED], torch.rand(POINTS + 1, 3))
