"""How an avatar looks from the camera of its own photo, where the photo itself is the truth."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from fastavatar.core import Avatar
from fastavatar.losses import MASK_THRESHOLD, SOLID_ALPHA, psnr
from fastavatar.models.facemesh import HeadView, head_and_shoulders
from fastavatar.rendering import Render, render


@dataclass(frozen=True)
class OwnView:
    """An avatar compared with its own photo. A figure is None without a mask, or with an empty one."""

    psnr: float | None
    """PSNR inside the person's mask, dB."""
    uncovered: float | None
    """Share of the mask that the avatar leaves uncovered: where its alpha is at most 0.5."""
    over_backdrop: float | None
    """Share of the avatar, where its alpha exceeds 0.5, that stands outside the mask."""

    def line(self) -> str:
        """The figures in one line of text."""
        psnr_db = "–" if self.psnr is None else f"{self.psnr:.2f} dB"
        shares = ("–" if v is None else f"{v:.2%}" for v in (self.uncovered, self.over_backdrop))
        return "own view: {} inside the mask, {} of it uncovered, {} of the body over backdrop".format(
            psnr_db, *shares
        )


def compare_own_view(shown: Render, truth: Tensor, mask: Tensor | None) -> OwnView:
    """Compare a render with the photo `truth` (H, W, 3) in 0…1 and the person's `mask` (H, W) on it."""
    if mask is None:
        return OwnView(None, None, None)
    person, body = mask > MASK_THRESHOLD, shown.alpha.cpu() > SOLID_ALPHA
    image = shown.image.clamp(0, 1).cpu()
    return OwnView(
        float(psnr(image, truth, mask)) if bool(person.any()) else None,
        _share(person & ~body, person),
        _share(body & ~person, body),
    )


def own_view_of(avatar: Avatar) -> tuple[OwnView, HeadView, Render]:
    """The figures of an avatar over head and shoulders of its photo, that crop, and the render compared.

    The crop, its resolution and its person mask are those that the embedded model works on.
    Raises `ValueError` for an avatar that does not know its face.
    """
    if avatar.face is None:
        raise ValueError("the avatar does not know where its face is in the photo")
    view = head_and_shoulders(avatar.photo, avatar.face.box, avatar.camera)
    camera = view.camera.to(avatar.gaussians.means.device, torch.float32)
    with torch.no_grad():
        shown = render(avatar.gaussians, camera)
    truth, mask = torch.tensor(view.photo_rgb) / 255, torch.tensor(view.mask)
    return compare_own_view(shown, truth, mask), view, shown


def mean_own_view(found: Sequence[OwnView]) -> OwnView | None:
    """The mean of each figure over the views that have it; None for no views."""
    if not found:
        return None
    means = []
    for field in fields(OwnView):
        values = [value for one in found if (value := getattr(one, field.name)) is not None]
        means.append(sum(values) / len(values) if values else None)
    return OwnView(*means)


def _share(part: Tensor, whole: Tensor) -> float | None:
    """Share of booleans `whole` (H, W) that `part` (H, W) holds; None for an empty whole."""
    count = int(whole.sum())
    return int(part.sum()) / count if count else None
