from pathlib import Path

import pytest
import torch
from torch import Tensor

from fastavatar.captures import View, read_capture
from tests.synthetic_capture import HEIGHT, WIDTH, frame_entry, make_cameras, save_picture, write_transforms

SKIN = torch.tensor([0.8, 0.6, 0.4])
MASK = torch.zeros(HEIGHT, WIDTH)
MASK[10:40, 10:30] = 1
MASK[40, 10:30] = 0.5


def _read(folder: Path, picture: Tensor, mask: Tensor | None = None) -> View:
    save_picture(picture, folder / "images" / "a.png")
    entry = frame_entry(make_cameras()[0], "a")
    del entry["fg_mask_path"]
    if mask is not None:
        save_picture(mask, folder / "fg_masks" / "a.png")
    write_transforms(folder, [entry])
    return read_capture(folder).views[0]


def _over(background: float, coverage: Tensor) -> Tensor:
    return SKIN * coverage[..., None] + background * (1 - coverage[..., None])


def test_transparency_is_laid_on_white_and_gives_the_mask(tmp_path: Path) -> None:
    rgba = torch.cat([SKIN.expand(HEIGHT, WIDTH, 3), MASK[..., None]], -1)
    view = _read(tmp_path, rgba)
    torch.testing.assert_close(view.image, _over(1.0, MASK), atol=1 / 255, rtol=0)
    torch.testing.assert_close(view.mask, MASK, atol=1 / 255, rtol=0)


def test_an_image_on_another_background_is_cut_out(tmp_path: Path) -> None:
    view = _read(tmp_path, SKIN.expand(HEIGHT, WIDTH, 3), MASK)
    torch.testing.assert_close(view.image, _over(1.0, MASK), atol=1 / 255, rtol=0)


def test_an_image_on_white_is_left_alone(tmp_path: Path) -> None:
    picture = _over(1.0, MASK)
    view = _read(tmp_path, picture, MASK)
    torch.testing.assert_close(view.image, picture, atol=1 / 255, rtol=0)
    torch.testing.assert_close(view.mask, MASK, atol=1 / 255, rtol=0)


def test_without_a_mask_everything_counts(tmp_path: Path) -> None:
    assert bool((_read(tmp_path, _over(0.2, MASK)).mask == 1).all())


@pytest.mark.parametrize("where", ["fg_masks/a.png", "masks/a.png", "masks/a.png.png"])
def test_masks_are_found_where_captures_keep_them(tmp_path: Path, where: str) -> None:
    save_picture(MASK, tmp_path / where)
    torch.testing.assert_close(_read(tmp_path, _over(1.0, MASK)).mask, MASK, atol=1 / 255, rtol=0)
