import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from scipy.ndimage import binary_erosion
from scipy.spatial.transform import Rotation

from fastavatar.core import Camera, frontal_camera
from fastavatar.geometry import Array
from fastavatar.images.parts import HAIR, THING
from fastavatar.models.facemesh.outline import fit_outline
from fastavatar.models.facemesh.template import EAR, FACE, SKULL, TORSO, load_template
from fastavatar.models.facemesh.view import HeadView
from fastavatar.rendering import rasterise_mesh
from tests.models.facemesh.heads import Mask, view_of

SIZE_PX, FOCAL_PX, DISTANCE_M = 500, 700.0, 1.0
MM_PER_PX = 1000 * DISTANCE_M / FOCAL_PX
UPRIGHT = np.eye(3)


def view() -> Camera:
    return frontal_camera(DISTANCE_M, FOCAL_PX, SIZE_PX, SIZE_PX, torch.tensor([0.0, -0.05, 0.0]))


def masked(mask: Mask) -> HeadView:
    return view_of(mask, view())


def drawn(vertices: Array) -> Mask:
    """The silhouette of a head on the template's mesh."""
    pixels = view().to("cpu", torch.float64).project(torch.from_numpy(vertices))[0].numpy()
    image = Image.new("L", (SIZE_PX, SIZE_PX))
    draw = ImageDraw.Draw(image)
    for triangle in pixels[load_template().faces]:
        draw.polygon([tuple(corner) for corner in triangle], fill=1)
    return np.asarray(image, np.float32)


def with_hair(growth: float) -> Array:
    """The template with its skull grown about its middle, less and less toward the face and the neck."""
    template = load_template()
    vertices = template.vertices.copy()
    middle = vertices[np.isin(template.region, (SKULL, EAR))].mean(0)
    height = np.clip((vertices[:, 1] + 0.02) / 0.04, 0, 1)
    share = height * (template.region != FACE)
    return np.asarray(vertices + growth * share[:, None] * (vertices - middle))


def rows_of(y_m: float) -> int:
    """The picture's row at a height in the head frame."""
    return round(SIZE_PX / 2 - (y_m + 0.05) * FOCAL_PX / DISTANCE_M)


def breadth_mm(mask: Mask, y_m: float) -> float:
    return float(mask[rows_of(y_m)].sum()) * MM_PER_PX


def top_mm(mask: Mask) -> float:
    return (SIZE_PX / 2 - float(mask.any(1).argmax())) * MM_PER_PX


def difference(a: Mask, b: Mask) -> float:
    """Area where two heads differ, above the chin, in shares of the head."""
    chin = rows_of(-0.06)
    return float(np.abs(a[:chin] - b[:chin]).sum() / a[:chin].sum())


@pytest.mark.parametrize("growth", [0.15, 0.25, -0.08])
def test_the_outline_comes_to_that_of_the_photo(growth: float) -> None:
    template = load_template()
    wanted, before = drawn(with_hair(growth)), drawn(template.vertices)
    fitted = drawn(fit_outline(template, template.vertices, [masked(wanted)], UPRIGHT))
    assert difference(wanted, fitted) < 0.55 * difference(wanted, before)
    asked_mm = breadth_mm(wanted, 0.06) - breadth_mm(before, 0.06)
    came_mm = breadth_mm(fitted, 0.06) - breadth_mm(before, 0.06)
    assert abs(asked_mm) > 8
    assert came_mm == pytest.approx(asked_mm, abs=max(4.0, 0.35 * abs(asked_mm)))
    assert top_mm(fitted) - top_mm(before) == pytest.approx(top_mm(wanted) - top_mm(before), abs=6)


def test_hair_gains_volume_at_the_back_too() -> None:
    template = load_template()
    fitted = fit_outline(template, template.vertices, [masked(drawn(with_hair(0.25)))], UPRIGHT)
    assert fitted[:, 2].min() < template.vertices[template.region == SKULL, 2].min() - 0.004


def test_fitting_the_heads_own_outline_changes_little() -> None:
    template = load_template()
    fitted = fit_outline(template, template.vertices, [masked(drawn(template.vertices))], UPRIGHT)
    moved_m = np.linalg.norm(fitted - template.vertices, axis=1)
    assert moved_m.mean() < 0.003 and np.isfinite(fitted).all()


def test_the_face_stays() -> None:
    template = load_template()
    fitted = fit_outline(template, template.vertices, [masked(drawn(with_hair(0.2)))], UPRIGHT)
    moved_m = np.linalg.norm(fitted - template.vertices, axis=1)
    x, y, _ = template.vertices.T
    features = (template.region == FACE) & (np.abs(x) < 0.045) & (np.abs(y + 0.015) < 0.045)  # eyes to mouth
    assert moved_m[features].max() < 0.002
    assert moved_m[template.region == SKULL].max() > 0.01


def test_a_chin_before_backdrop_moves_in_and_the_cheek_before_it_stays() -> None:
    """Seen from the person's left, with 5 mm less of face below the mouth than the template has."""
    template, aside = load_template(), view().orbited(90).to("cpu", torch.float64)
    person = rasterise_mesh(template.vertices, template.faces, aside).hit
    chin = template.vertices[(template.region == FACE) & (np.abs(template.vertices[:, 0]) < 0.01)]
    lowest = aside.project(torch.from_numpy(chin[chin[:, 1].argmin()][None]))[0].numpy()[0]
    beside = np.hypot(*(np.mgrid[:SIZE_PX, :SIZE_PX] - lowest[::-1][:, None, None])) < 25
    mask = person & ~(beside & ~binary_erosion(person, iterations=4))
    fitted = fit_outline(template, template.vertices, [view_of(mask.astype(np.float32), aside)], UPRIGHT)

    def before_backdrop(vertices: Array) -> int:
        return int((rasterise_mesh(vertices, template.faces, aside).hit & beside & ~mask).sum())

    assert before_backdrop(fitted) < 0.5 * before_backdrop(template.vertices)
    cheek = (template.region == FACE) & (template.vertices[:, 0] > 0.04)
    assert np.linalg.norm(fitted - template.vertices, axis=1)[cheek].max() < 0.002


def test_a_lopsided_photo_makes_a_lopsided_head() -> None:
    template = load_template()
    wanted = drawn(template.vertices)
    wanted[:, SIZE_PX // 2 :] = drawn(with_hair(0.25))[:, SIZE_PX // 2 :]  # more hair on the person's left
    fitted = fit_outline(template, template.vertices, [masked(wanted)], UPRIGHT)
    skull = template.region == SKULL
    assert fitted[skull, 0].max() > -fitted[skull, 0].min() + 0.006


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_mask_without_an_edge_says_nothing(value: float) -> None:
    template = load_template()
    mask = np.full((SIZE_PX, SIZE_PX), value, np.float32)
    np.testing.assert_allclose(
        fit_outline(template, template.vertices, [masked(mask)], UPRIGHT), template.vertices, atol=1e-9
    )


@pytest.mark.parametrize("lean_deg", [0.0, 20.0])
def test_broad_shoulders_make_no_deep_chest(lean_deg: float) -> None:
    template = load_template()
    lean, torso = Rotation.from_euler("X", lean_deg, degrees=True).as_matrix(), template.region == TORSO
    vertices = template.vertices @ lean.T
    wanted = drawn(vertices * [1.1, 1, 1])
    moved = fit_outline(template, vertices, [masked(wanted)], lean) - vertices
    assert np.ptp((vertices + moved)[torso, 0]) > np.ptp(vertices[torso, 0]) + 0.01
    np.testing.assert_allclose(moved[torso] @ lean[:, 2], 0, atol=1e-12)


def test_hair_that_stands_off_farther_than_the_rounds_look_does_so_behind_and_on_top() -> None:
    """An afro of 7 cm around the skull; buns of the same size, to either side alone; a hat like the afro."""
    template = load_template()
    skull, radius_px = template.vertices[template.region == SKULL], (0.1 + 0.07) * FOCAL_PX / DISTANCE_M
    middle = view().project(torch.from_numpy(skull.mean(0)[None]).float())[0].numpy()[0]
    apart = np.mgrid[:SIZE_PX, :SIZE_PX] - middle[::-1][:, None, None]
    above, head = apart[0] < 40, drawn(template.vertices)
    afro = np.maximum(head, above & (np.hypot(*apart) < radius_px))
    buns = np.maximum(head, (np.hypot(apart[0], np.abs(apart[1]) - 100) < 35))
    hat = np.where(head < afro, THING, HAIR)
    big, small, under_hat = (
        fit_outline(
            template, template.vertices, [view_of(mask.astype(np.float32), view(), labels=labels)], UPRIGHT
        )
        for mask, labels in ((afro, HAIR), (buns, HAIR), (afro, hat))
    )
    (_, top, _), (_, _, back) = skull.max(0), skull.min(0)
    grown = big[template.region == SKULL]
    assert grown[:, 2].min() < back - 0.045 and grown[:, 1].max() > top + 0.045
    for same in (small, under_hat):
        assert same[template.region == SKULL, 2].min() > back - 0.02
    x, y, _ = template.vertices.T
    features = (template.region == FACE) & (np.abs(x) < 0.04) & (y < 0.02)
    assert np.linalg.norm(big - template.vertices, axis=1)[features].max() < 0.004
