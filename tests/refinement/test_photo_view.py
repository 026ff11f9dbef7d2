from dataclasses import replace

import numpy as np

from fastavatar.core import Photo
from fastavatar.models.facemesh.predictor import FaceMeshPredictor
from fastavatar.refinement import views_of_photos
from tests.portraits import portrait

FADE_PX = 8
CUT_ROW = 330


def cut_off(photo: Photo) -> Photo:
    """The photo on white, cut off in a row below the collar, above which it fades."""
    rows = np.arange(photo.height)[:, None]
    share = np.clip((CUT_ROW - rows) / FADE_PX, 0, 1)[..., None]
    rgb = (photo.rgb * share + 255 * (1 - share)).round().astype(np.uint8)
    alpha = np.repeat((rows < CUT_ROW).astype(np.float32), photo.width, 1)
    return replace(photo, rgb=rgb, alpha=alpha)


def test_a_person_who_fades_into_white_below_is_refined_above_the_fade() -> None:
    """The white of the fade would otherwise come to lie on the bust's lower edge."""
    whole, faded = (FaceMeshPredictor().predict(photo) for photo in (portrait(), cut_off(portrait())))
    (kept,), (ends,) = views_of_photos(whole), views_of_photos(faded)
    assert (ends.mask[-1] > 0.9).float().mean() > 0.5, "it ends within the person"
    px = float(ends.camera.K[0, 0] / faded.camera.K[0, 0])
    last_row = float((ends.camera.height - ends.camera.K[1, 2]) / px + faded.camera.K[1, 2])
    px_per_m = float(faded.camera.K[0, 0] / faded.camera.world_to_camera[2, 3])
    assert CUT_ROW - 0.02 * px_per_m < last_row <= CUT_ROW - FADE_PX
    assert tuple(ends.image.shape[:2]) == (ends.camera.height, ends.camera.width)
    assert (kept.mask[-1] > 0.5).float().mean() > 0.5, "a person who reaches the photo's edge is not cut"
