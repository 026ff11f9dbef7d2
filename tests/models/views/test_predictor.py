"""Photos to an avatar by a network that was not trained: everything but the likeness is there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fastavatar.core import Photo
from fastavatar.errors import NoFaceError, UsageError
from fastavatar.head import mean_start
from fastavatar.images import load_photo
from fastavatar.meshing import is_closed
from fastavatar.models import TakesSeveral, load_predictor
from fastavatar.models.views import ViewsNetwork, ViewsPredictor, ViewsSizes, write_network
from tests.portraits import PORTRAIT


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("views") / "views.pth"
    torch.manual_seed(0)
    write_network(ViewsNetwork(ViewsSizes("convolutional", 32, 32, 900, 16, 8, 8, 1), mean_start(900)), path)
    return path


@pytest.fixture(scope="module")
def photos() -> list[Photo]:
    photo = load_photo(PORTRAIT)
    darker = replace(photo, rgb=np.ascontiguousarray(photo.rgb // 2))
    return [photo, darker]


def test_an_avatar_that_no_order_of_photos_changes(checkpoint: Path, photos: list[Photo]) -> None:
    predictor = load_predictor("views", checkpoint=checkpoint)
    assert isinstance(predictor, TakesSeveral)
    there, back = predictor.predict_several(photos), predictor.predict_several(photos[::-1])
    for a, b in zip(there.gaussians.tensors().values(), back.gaussians.tensors().values(), strict=True):
        assert torch.equal(a, b)
    assert there.mesh is not None and back.mesh is not None
    assert torch.equal(there.mesh.vertices, back.mesh.vertices)
    assert is_closed(there.mesh.faces.numpy())
    # Cameras and photos are those of the order given
    assert there.photo is photos[0] and back.photo is photos[1]
    assert torch.equal(there.others[0][1].world_to_camera, back.camera.world_to_camera)
    assert there.arrays["points"].shape == (900, 3)
    # The photos' colours are on the front: half as bright where the darker photo is alone
    dark = predictor.predict(photos[1])
    assert float(dark.gaussians.sh.mean()) < float(there.gaussians.sh.mean())


def test_photos_without_faces_are_named(checkpoint: Path, photos: list[Photo]) -> None:
    blank = replace(photos[0], rgb=np.full_like(photos[0].rgb, 200))
    with pytest.raises(NoFaceError):
        ViewsPredictor(checkpoint).predict_several([photos[0], blank])
    with pytest.raises(UsageError, match="no photo"):
        ViewsPredictor(checkpoint).predict_several([])


def test_a_checkpoint_is_needed() -> None:
    with pytest.raises(UsageError, match="train views"):
        load_predictor("views")
