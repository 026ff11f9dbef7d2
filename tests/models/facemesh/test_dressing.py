import numpy as np
import pytest
import torch
from PIL import ImageDraw
from scipy.ndimage import binary_dilation, binary_erosion

from fastavatar.core import Avatar, HeadParameters, frontal_camera
from fastavatar.geometry import Array
from fastavatar.head import load_head
from fastavatar.models import load_predictor
from fastavatar.models.facemesh.dressing import dress
from fastavatar.models.facemesh.fit import Fitted
from fastavatar.models.facemesh.template import load_template
from fastavatar.models.facemesh.view import HeadView, head_and_shoulders
from fastavatar.rendering import Render, rasterise_mesh, render
from tests.models.facemesh.heads import NOTHING, view_of
from tests.portraits import photo_of, picture

HAIR = (34, 25, 20)
# Columns between which long hair falls, and rows; beside the face and the neck of the portrait
LEFT, RIGHT, DOWN = (160, 190), (264, 296), (70, 235)


@pytest.fixture(scope="module")
def view(avatar: Avatar) -> HeadView:
    assert avatar.face is not None
    return head_and_shoulders(avatar.photo, avatar.face.box, avatar.camera)


@pytest.fixture(scope="module")
def drawn(avatar: Avatar, view: HeadView) -> Render:
    return render(avatar.gaussians, view.camera)


def test_seen_from_its_photo_it_is_the_photo(view: HeadView, drawn: Render) -> None:
    wrong = (drawn.image.numpy() - view.rgb)[view.mask > 0.5]
    found = -10 * np.log10((wrong**2).mean())
    assert found > 28


def test_it_covers_the_person_and_no_backdrop(view: HeadView, drawn: Render) -> None:
    person, covered = view.mask > 0.5, drawn.alpha.numpy() > 0.5
    assert (person & ~covered).sum() <= 0.01 * person.sum()
    assert (covered & ~person).sum() <= 0.015 * person.sum()


def test_a_dark_rim_in_the_photo_is_no_line_from_aside() -> None:
    """A grey head whose outermost two pixels are dark."""
    template = load_template()
    camera = frontal_camera(1.2, 900, 300, 300, torch.zeros(3)).to("cpu", torch.float64)
    person = binary_dilation(rasterise_mesh(template.vertices, template.faces, camera).hit)
    rgb = np.where(binary_erosion(person, iterations=2, border_value=1), 0.6, 0.1)[..., None]
    view = view_of(person.astype(np.float32), camera, np.tile(rgb, 3).astype(np.float32))
    rest = HeadParameters(torch.zeros(80), torch.zeros(52), torch.from_numpy(load_head().joints).float())
    dressed = dress(Fitted(template.vertices, NOTHING, None), rest, [view])
    aside = render(dressed.gaussians, camera.to("cpu", torch.float32).orbited(90))
    inside = binary_erosion(aside.alpha.numpy() > 0.99, iterations=6)
    assert (aside.image.mean(2).numpy()[inside] < 0.4).mean() < 0.005


@pytest.fixture(scope="module")
def long_haired() -> Avatar:
    """The portrait with dark hair painted beside face and neck, in strands."""
    painted, rng = picture(), np.random.default_rng(0)
    draw = ImageDraw.Draw(painted)
    for left, right in (LEFT, RIGHT):
        draw.rectangle((left, DOWN[0], right, DOWN[1]), fill=HAIR)
        for column in rng.uniform(left, right, 60):
            shade = tuple(int(value * rng.uniform(0.6, 1.6)) for value in HAIR)
            draw.line((column, DOWN[0], column + rng.uniform(-3, 3), DOWN[1]), fill=shade)
    return load_predictor("facemesh").predict(photo_of(np.asarray(painted)))


def _around(drawn: Render, place_px: Array) -> tuple[float, float]:
    """Least alpha and mean brightness of 9×9 pixels."""
    column, row = place_px.astype(int)
    cell = np.s_[row - 4 : row + 5, column - 4 : column + 5]
    return float(drawn.alpha[cell].min()), float(drawn.image[cell].mean())


@pytest.mark.parametrize("columns", [LEFT, RIGHT])
@pytest.mark.parametrize("row", [130, 170, 215])
def test_long_hair_is_there_and_dark(row: int, columns: tuple[int, int], long_haired: Avatar) -> None:
    drawn = render(long_haired.gaussians, long_haired.camera)
    alpha, brightness = _around(drawn, np.array([sum(columns) / 2, row]))
    assert alpha > 0.95 and brightness < 0.25


def test_from_behind_long_hair_hangs_below_the_ears(long_haired: Avatar, avatar: Avatar) -> None:
    """It is where the portrait shows what is behind her, between neck and shoulder."""
    beside_neck = torch.tensor([0.085, -0.06, -0.08])
    shown = []
    for head in (long_haired, avatar):
        camera = head.camera.orbited(180)
        place = camera.project(beside_neck[None])[0][0].numpy()
        shown.append(_around(render(head.gaussians, camera), place))
    (alpha, brightness), (without, _) = shown
    assert alpha > 0.95 and brightness < 0.3 and without < 0.5
