"""Photo → `Avatar` by the published networks.

photo ─ InsightFace ─▶ embedding ─ identity encoder ─▶ W ─────────┐
  └─── crop, 224×224 ─ point predictor ─▶ points, camera pose ─ decoder ─▶ Gaussians
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from fastavatar.core import Avatar, Gaussians, Photo, Provenance
from fastavatar.errors import DeviceError, FastAvatarError, InputError, WeightsError
from fastavatar.faces.insightface import RecognisedFace
from fastavatar.models.published import framing
from fastavatar.models.published.identity import Identity
from fastavatar.models.published.latent import DecoderLatent
from fastavatar.models.published.networks import Networks, made_up_told
from fastavatar.models.published.sh_refit import ShRefit, refit_sh
from fastavatar.models.stages import stage

Crop = Literal[
    "auto",  # the head framed as in the captures the networks were trained on, on white
    "none",  # the whole photo, as the published code takes it
]

LICENCE = (
    "the FastAvatar weights state no licence and were trained on research-only captures; InsightFace's "
    "models are for non-commercial research only"
)


@dataclass(frozen=True)
class _Observed:
    """A photo as far as it can be told before the points are placed."""

    photo: Photo
    found: RecognisedFace | None
    region: framing.Region
    image: Tensor
    """(1, 3, 224, 224) what the networks see."""
    w: Tensor
    """(1, 512)."""
    seconds: dict[str, float]
    """Of the stages so far; those to come are added."""


class FastAvatarPredictor:
    """The published networks on one device; `load` of this package makes one from checkpoint files."""

    def __init__(
        self,
        networks: Networks,
        identity: Identity,
        crop: Crop = "auto",
        device: str = "cpu",
        seed: int = 42,
        sh_refit: ShRefit = "auto",
    ) -> None:
        self._networks = networks
        self._identity = identity
        self._crop = crop
        self._device = device
        self._seed = seed
        self._sh_refit: ShRefit = sh_refit

    def predict(self, photo: Photo, face: int | None = None) -> Avatar:
        """The avatar of the face numbered `face` from the left, the largest by default.

        Raises `NoFaceError` when there is no such face, `WeightsError` when the networks say something that
        is no number, `DeviceError` when memory runs out.
        """
        (found,) = self.predict_many([photo], face)
        if isinstance(found, Exception):
            raise found
        return found

    def predict_many(self, photos: Sequence[Photo], face: int | None = None) -> list[Avatar | Exception]:
        """The avatar of each photo, or what `predict` would raise for it; one pass of DINOv2 for all.

        The decoder has over 10,000 rows a photo: it would gain nothing.
        """
        seen = [self._observed(photo, face) for photo in photos]
        inputs = [one.image for one in seen if isinstance(one, _Observed)]
        if not inputs:
            return [one for one in seen if isinstance(one, Exception)]
        seconds: dict[str, float] = {}
        try:
            with torch.inference_mode(), stage(seconds, "points"):
                points, poses = self._networks.points(torch.cat(inputs).to(self._device))
        except torch.OutOfMemoryError:
            return [one if isinstance(one, Exception) else self._no_memory() for one in seen]
        placed = iter(zip(points, poses, strict=True))
        found: list[Avatar | Exception] = []
        for one in seen:
            if isinstance(one, Exception):
                found.append(one)
                continue
            one.seconds["points"] = seconds["points"] / len(inputs)
            try:
                found.append(self._decoded(one, *next(placed)))
            except (FastAvatarError, torch.OutOfMemoryError) as error:
                found.append(error if isinstance(error, FastAvatarError) else self._no_memory())
        return found

    def _observed(self, photo: Photo, face: int | None) -> "_Observed | Exception":
        """Who is in a photo and what the networks are to see of it, or why that cannot be told."""
        seconds: dict[str, float] = {}
        try:
            with stage(seconds, "recognise"):
                found = self._identity.recognise(photo.rgb, face)
            with stage(seconds, "frame the head"):
                region, image = self._framed(photo, face, found)
            with torch.inference_mode(), stage(seconds, "identity"):
                w = self._identity.w(found, self._networks.encoder, self._device)
        except torch.OutOfMemoryError:
            return self._no_memory()
        except Exception as error:  # the other photos go on
            return error
        return _Observed(photo, found, region, image, w, seconds)

    def _no_memory(self) -> DeviceError:
        return DeviceError(f"not enough memory on {self._device}: try --device cpu")

    def _decoded(self, seen: "_Observed", points: Tensor, camera_to_world: Tensor) -> Avatar:
        """The avatar at points (N, 3), seen by a camera (4, 4)."""
        photo, found, region, w, seconds = seen.photo, seen.found, seen.region, seen.w, seen.seconds
        with torch.inference_mode(), stage(seconds, "decode"):
            decoded = self._networks.decoder.decode(w, points)
        gaussians = _ordinary(decoded)
        if self._sh_refit == "auto":
            with stage(seconds, "refit colours"):
                gaussians = replace(gaussians, sh=refit_sh(gaussians.sh))
        arrays = {"w_vector": w, "dino_points": points, "dino_camera_pose": camera_to_world[None]}
        return Avatar(
            gaussians=gaussians,
            camera=framing.camera_from_pose(camera_to_world, region, photo.width, photo.height),
            photo=photo,
            face=None,
            provenance=Provenance(
                model="fastavatar",
                licence=LICENCE,
                seed=self._seed,
                device=self._device,
                seconds=seconds,
                warnings=self._warnings(found),
                extra=self._summary(region, found, w, points),
            ),
            arrays={name: value.cpu().numpy().astype(np.float32) for name, value in arrays.items()},
            # clones, which unlike tensors of inference mode may take part in autograd
            latent=DecoderLatent(self._networks.decoder.decoder, w.clone(), points.clone(), self._sh_refit),
        )

    def _framed(
        self, photo: Photo, face: int | None, found: RecognisedFace | None
    ) -> tuple[framing.Region, Tensor]:
        """The region the networks see, and their input (1, 3, 224, 224)."""
        if self._crop == "none":
            return framing.whole(photo.rgb), framing.network_input(photo.rgb)
        box = found.box if found is not None else framing.mesh_box(photo, face)
        region = framing.framed_like_a_capture(box)
        picture = framing.cut(photo.rgb, region)
        if not photo.is_cut_out:
            from fastavatar.images.person_mask import person_mask

            picture = framing.on_white(picture, person_mask(picture))
        return region, framing.network_input(picture)

    def _warnings(self, found: RecognisedFace | None) -> tuple[str, ...]:
        warnings = made_up_told(self._networks.made_up)
        if found is not None and found.count > 1:
            warnings += (f"the photo shows {found.count} faces: took number {found.index} from the left",)
        return warnings

    def _summary(
        self, region: framing.Region, found: RecognisedFace | None, w: Tensor, points: Tensor
    ) -> dict[str, object]:
        right, bottom = region.left + region.width, region.top + region.height
        return {
            "w_vector_shape": list(w.shape),
            "dino_points_shape": list(points.shape),
            "precision": str(self._networks.points.dino.dtype).removeprefix("torch."),
            "sh_refit": self._sh_refit,
            "crop": self._crop,
            "crop_box_px": [round(edge, 1) for edge in (region.left, region.top, right, bottom)],
            "background_removed": self._crop == "auto",
            "made_up_weights": bool(self._networks.made_up),
            "face_box_px": None if found is None else [round(edge, 1) for edge in found.box],
            "face_index": None if found is None else found.index,
            "face_count": None if found is None else found.count,
        }


def _ordinary(gaussians: Gaussians) -> Gaussians:
    """The same numbers on the CPU, free to take part in autograd; raises `WeightsError` if some are none."""
    try:
        gaussians.require_finite()
    except InputError as error:
        raise WeightsError(
            f"the networks' output is no avatar ({error}): are the weights damaged?"
        ) from error
    return Gaussians(**{name: value.cpu().clone() for name, value in gaussians.tensors().items()})
