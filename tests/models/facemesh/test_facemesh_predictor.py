from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import binary_erosion, binary_fill_holes, map_coordinates
from scipy.spatial import ConvexHull

from fastavatar.core import Avatar, Photo, decode_colors, frontal_camera
from fastavatar.errors import InputError, NoFaceError
from fastavatar.formats.splats.ply import encode_ply
from fastavatar.images.segmentation import person_mask
from fastavatar.models import load_predictor
from fastavatar.models.facemesh.template import FACE, SKULL
from fastavatar.rendering import render
from fastavatar.results.summary import head_pose
from tests.portraits import WALL, photo_of, picture, portrait, resized, small_left_large_right, without_face

BOX_M = np.array([[-0.32, -0.50, -0.30], [0.32, 0.25, 0.20]])
"""Head and shoulders: least and most of x, y, z."""
HEAD_M = np.array([[-0.16, -0.13, -0.22], [0.16, 0.20, 0.12]])


def predict(photo: Photo, face: int | None = None) -> Avatar:
    return load_predictor("facemesh").predict(photo, face)


@cache
def tilted(angle_deg: int) -> Avatar:
    turned = picture().rotate(angle_deg, Image.Resampling.BICUBIC, fillcolor=WALL)
    return predict(photo_of(np.asarray(turned)))


@cache
def mirrored() -> Avatar:
    return predict(photo_of(np.asarray(picture().transpose(Image.Transpose.FLIP_LEFT_RIGHT))))


def require_whole(avatar: Avatar) -> None:
    """What must hold for every photo with a face."""
    g = avatar.gaussians
    g.require_finite()
    assert 20_000 < len(g) < 160_000 and g.sh_degree == 0
    torch.testing.assert_close(g.quats_wxyz.norm(dim=1), torch.ones(len(g)), atol=1e-5, rtol=0)
    assert 0 < float(g.scales.min()) and float(g.scales.max()) < 0.05
    assert 0 < float(g.opacities.min()) and float(g.opacities.max()) < 1
    means = g.means.numpy()
    assert ((means > BOX_M[0]) & (means < BOX_M[1])).all(1).mean() > 0.99
    colors = decode_colors(g.sh[:, 0])
    assert float(colors.min()) > -1e-3 and float(colors.max()) < 1 + 1e-3
    assert (avatar.camera.width, avatar.camera.height) == (avatar.photo.width, avatar.photo.height)


def in_oval(avatar: Avatar) -> NDArray[np.bool_]:
    """(H, W) the pixels inside the outline of the face's landmarks."""
    points = avatar.face.landmarks[:, :2] if avatar.face else np.zeros((0, 2))
    hull = points[ConvexHull(points).vertices]
    image = Image.new("1", (avatar.photo.width, avatar.photo.height))
    ImageDraw.Draw(image).polygon([tuple(corner) for corner in hull], fill=1)
    return np.asarray(image)


def psnr_in_face(avatar: Avatar) -> float:
    drawn = render(avatar.gaussians, avatar.camera).image.numpy()
    error = (drawn - avatar.photo.rgb / 255)[in_oval(avatar)]
    return float(-10 * np.log10((error**2).mean()))


def test_the_portraits_avatar_is_whole(avatar: Avatar) -> None:
    require_whole(avatar)
    assert avatar.photo is portrait() and avatar.face is not None and avatar.face.count == 1
    assert avatar.provenance.model == "facemesh" and "any use" in avatar.provenance.licence
    assert list(avatar.provenance.seconds) == ["find faces", "pose", "person mask", "fit head", "colours"]


def test_every_gaussian_is_bound_to_the_fitted_mesh(avatar: Avatar) -> None:
    """Most lie where the binding says; what the person's outline moved does not, by 25 mm at most."""
    assert avatar.mesh is not None and avatar.binding is not None and avatar.mesh.regions is not None
    held = avatar.binding.at(avatar.mesh.vertices)
    apart_m = (held - avatar.gaussians.means).norm(dim=1)
    assert float((apart_m < 1e-5).float().mean()) > 0.85
    assert float(apart_m.max()) < 0.025
    skull = avatar.mesh.regions[avatar.binding.corners[:, 0]] == SKULL
    assert float(apart_m[skull].max()) < 0.010


def test_a_part_of_the_gaussians_needs_its_part_of_the_binding(avatar: Avatar) -> None:
    kept = avatar.gaussians.means[:, 1] > -0.1
    assert avatar.binding is not None
    gaussians, binding = avatar.gaussians.subset(kept), avatar.binding.subset(kept)
    assert len(binding) == len(gaussians) < len(avatar.gaussians)
    with pytest.raises(InputError, match="Gaussians need a mesh and as many bindings"):
        replace(avatar, gaussians=gaussians)
    assert len(replace(avatar, gaussians=gaussians, binding=binding).gaussians) == len(gaussians)


def test_discs_lie_along_the_surface(avatar: Avatar) -> None:
    """The thin axis of each points out of the head, or at least not along it."""
    g = avatar.gaussians
    assert bool((g.scales[:, 2] < 0.5 * g.scales[:, :2].amin(1)).all())
    w, x, y, z = g.quats_wxyz.T
    normal = torch.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x**2 + y**2)], 1)
    skull = (g.means[:, 1] > 0.05) & (g.means[:, 2] < 0)
    outward = torch.nn.functional.normalize(g.means[skull] - torch.tensor([0.0, 0.03, -0.05]), dim=1)
    assert float(((normal[skull] * outward).sum(1) > 0.5).float().mean()) > 0.88


def test_from_the_front_it_is_the_photo(avatar: Avatar) -> None:
    assert psnr_in_face(avatar) > 27
    alpha = render(avatar.gaussians, avatar.camera).alpha.numpy()
    # the oval's own outline is that of the cheek before the backdrop
    assert alpha[binary_erosion(in_oval(avatar), iterations=3)].min() > 0.98
    head = slice(0, round(avatar.face.box[3]) if avatar.face else 0)
    person = person_mask(portrait().rgb)[head] > 0.5
    covered = alpha[head] > 0.5
    assert (person & covered).sum() / (person | covered).sum() > 0.9


@pytest.mark.parametrize("elevation_deg", [-25, 0, 25])
@pytest.mark.parametrize("azimuth_deg", range(0, 360, 45))
def test_it_has_no_holes_from_any_side(azimuth_deg: int, elevation_deg: int, avatar: Avatar) -> None:
    middle = torch.tensor([0.0, -0.05, -0.05])
    camera = frontal_camera(1.2, 420, 320, 320, middle).orbited(azimuth_deg, elevation_deg, middle)
    alpha = render(avatar.gaussians, camera).alpha.numpy()
    silhouette = binary_fill_holes(alpha > 0.5)
    # gaps between a stiff collar and the back may be seen through
    assert (silhouette & (alpha <= 0.5)).sum() < 0.008 * silhouette.sum()
    inside = alpha[binary_erosion(silhouette, iterations=4)]
    assert len(inside) > 5000
    assert (inside > 0.98).mean() > 0.98
    # the head is opaque throughout
    pixels, _ = camera.project(head_only(avatar))
    row, column = pixels.flip(1).long().clamp(0, 319).numpy().T
    assert (alpha[row, column] > 0.9).mean() > 0.97


def head_only(avatar: Avatar) -> torch.Tensor:
    means = avatar.gaussians.means
    low, high = torch.from_numpy(HEAD_M).float()
    return means[((means > low) & (means < high)).all(1)]


def test_the_background_does_not_shine_through_the_rim() -> None:
    """Cut out along her mask and put before pure green, she has nothing green on her."""
    mask = np.clip(0.5 + 3 * (person_mask(portrait().rgb) - 0.5), 0, 1)[
        ..., None
    ]  # an edge a few pixels wide
    green = np.array([0, 255, 0])
    rgb = (portrait().rgb * mask + green * (1 - mask)).round().astype(np.uint8)
    colors = decode_colors(predict(photo_of(rgb)).gaussians.sh[:, 0]).numpy()
    greenness = colors[:, 1] - colors[:, [0, 2]].max(1)
    assert (
        greenness > 0.15
    ).mean() < 0.001  # a few discs at the rim; without green the portrait has 0.11 itself


def test_a_cutout_is_its_own_mask() -> None:
    mask = (person_mask(portrait().rgb) > 0.5).astype(np.float32)
    mask[:, :200] = 0  # her right ear and hair are cut away
    rgb = np.where(mask[..., None] > 0, portrait().rgb, 255).astype(np.uint8)
    avatar = predict(replace(portrait(), rgb=rgb, alpha=mask))
    require_whole(avatar)
    seen = render(avatar.gaussians, avatar.camera, (0, 0, 0)).alpha.numpy()[:180]
    assert (
        seen[:, :185].sum() < 0.6 * render(whole().gaussians, avatar.camera).alpha.numpy()[:180, :185].sum()
    )


@cache
def whole() -> Avatar:
    return predict(portrait())


def test_the_same_photo_gives_the_same_bytes(avatar: Avatar) -> None:
    assert encode_ply(whole().gaussians, "head") == encode_ply(avatar.gaussians, "head")


@pytest.mark.parametrize("angle_deg", [-20, 20])
def test_a_tilted_photo_tilts_the_camera_not_the_head(angle_deg: int, avatar: Avatar) -> None:
    found = tilted(angle_deg)
    require_whole(found)
    before, after = (head_pose(a.camera.world_to_camera) for a in (avatar, found))
    assert after["roll_deg"] - before["roll_deg"] == pytest.approx(-angle_deg, abs=4)
    assert after["yaw_deg"] == pytest.approx(before["yaw_deg"], abs=6)
    low, high = (head_only(a).numpy().std(0) for a in (avatar, found))
    np.testing.assert_allclose(low, high, rtol=0.15)
    assert psnr_in_face(found) > 22


def test_the_mirrored_photo_makes_the_mirrored_head(avatar: Avatar) -> None:
    found = mirrored()
    before, after = (head_pose(a.camera.world_to_camera) for a in (avatar, found))
    assert after["yaw_deg"] == pytest.approx(-before["yaw_deg"], abs=4)
    assert after["roll_deg"] == pytest.approx(-before["roll_deg"], abs=3)
    view = frontal_camera(1.0, 500, 200, 200)
    one, other = (render(a.gaussians, view).image.numpy() for a in (avatar, found))
    face = slice(60, 120)
    assert np.abs(one[face, 60:140] - other[face, ::-1][:, 60:140]).mean() < 0.06


def test_a_longer_lens_sets_the_camera_farther_away(avatar: Avatar) -> None:
    far = predict(replace(portrait(), focal_px=2 * float(avatar.camera.K[0, 0])))
    ratio = float(far.camera.world_to_camera[2, 3] / avatar.camera.world_to_camera[2, 3])
    assert ratio == pytest.approx(2, rel=0.03)


def test_a_photo_without_a_lens_shows_a_head_a_usual_distance_away_without_a_warning(avatar: Avatar) -> None:
    assert avatar.photo.focal_px is None and avatar.provenance.warnings == ()
    assert 0.6 < float(avatar.camera.world_to_camera[2, 3]) < 1.8


def test_several_faces_are_a_warning_and_one_can_be_chosen() -> None:
    photo = replace(photo_of(small_left_large_right()), focal_px=1000.0)
    large, small = predict(photo), predict(photo, 0)
    assert large.face and small.face
    assert (large.face.index, large.face.count, small.face.index) == (1, 2, 0)
    assert large.provenance.warnings == (
        "the photo shows 2 faces: the largest, number 1 from the left, is used",
    )
    # each stands where it is in the photo, the smaller one farther away
    offset = [float(a.camera.world_to_camera[0, 3] / a.camera.world_to_camera[2, 3]) for a in (small, large)]
    assert offset[0] < -0.2 < 0.1 < offset[1]
    assert small.camera.world_to_camera[2, 3] > 1.3 * large.camera.world_to_camera[2, 3]
    with pytest.raises(NoFaceError, match="there is no face 2: the photo shows 2"):
        predict(photo, 2)


def test_a_small_face_is_a_warning() -> None:
    found = predict(replace(photo_of(resized(220)), focal_px=300.0))
    require_whole(found)
    (warning,) = found.provenance.warnings
    assert warning == "the face is 39 px across; under 64 px likeness suffers"


def test_a_photo_without_a_face_is_refused() -> None:
    with pytest.raises(NoFaceError, match="80×60 px"):
        predict(photo_of(without_face()))


@pytest.mark.parametrize(
    "crop",
    [
        (180, 66, 272, 186),  # nothing but the face
        (150, 0, 310, 180),  # no shoulders
        (0, 60, 512, 512),  # no top of the head
        (60, 0, 512, 140),  # no chin
    ],
)
def test_a_tight_crop_still_makes_a_whole_head(crop: tuple[int, int, int, int]) -> None:
    require_whole(predict(photo_of(np.asarray(picture().crop(crop)))))


def test_colours_are_the_photos_sharpened_without_ringing(avatar: Avatar) -> None:
    """In the middle of the face, where the photo sees all but the nostrils: within the bound of it."""
    x, y, z = avatar.gaussians.means.T
    assert avatar.mesh is not None and avatar.mesh.regions is not None and avatar.binding is not None
    outside = (avatar.mesh.regions[avatar.binding.corners] == FACE).all(1)
    face = outside & (x.abs() < 0.03) & (y.abs() < 0.03) & (z > 0.04)
    rows, columns = avatar.camera.project(avatar.gaussians.means[face])[0].numpy().T[::-1] - 0.5
    rgb = avatar.photo.rgb / 255.0
    shown = np.stack([map_coordinates(rgb[..., c], [rows, columns], order=1) for c in range(3)], 1)
    away = np.abs(decode_colors(avatar.gaussians.sh[face, 0]).numpy() - shown)
    assert away.mean() > 0.01 and (away > 0.501).mean() < 0.004
