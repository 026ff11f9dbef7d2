"""Photo → `Avatar` by the published networks.

photo ─ InsightFace ─▶ embedding ─ identity encoder ─▶ W ─────────┐
  └─── crop, 224×224 ─ point predictor ─▶ points, camera pose ─ decoder ─▶ Gaussians
"""

from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from fastavatar.avatar import Avatar, Provenance
from fastavatar.errors import DeviceError, InputError, WeightsError
from fastavatar.faces.insightface import RecognisedFace
from fastavatar.gaussians import Gaussians
from fastavatar.images.photo import Photo
from fastavatar.models.fastavatar import framing
from fastavatar.models.fastavatar.identity import Identity
from fastavatar.models.fastavatar.latent import Latent
from fastavatar.models.fastavatar.networks import Networks, made_up_told
from fastavatar.models.fastavatar.sh_refit import ShRefit, refit_sh
from fastavatar.models.stages import stage

Crop = Literal[
    "auto",  # the head framed as in the captures the networks were trained on, on white
    "none",  # the whole photo, as the published code takes it
]

LICENCE = (
    "the FastAvatar weights state no licence and were trained on research-only captures; InsightFace's "
    "models are for non-commercial research only"
)


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
        seconds: dict[str, float] = {}
        with stage(seconds, "recognise"):
            found = self._identity.recognise(photo.rgb, face)
        with stage(seconds, "frame the head"):
            region, image = self._framed(photo, face, found)
        try:
            with torch.inference_mode():
                with stage(seconds, "identity"):
                    w = self._identity.w(found, self._networks.encoder, self._device)
                with stage(seconds, "points"):
                    points, camera_to_world = self._networks.points(image.to(self._device))
                with stage(seconds, "decode"):
                    decoded = self._networks.decoder.decode(w, points[0])
        except torch.OutOfMemoryError as error:
            raise DeviceError(f"not enough memory on {self._device}: try --device cpu") from error
        gaussians = _ordinary(decoded)
        if self._sh_refit == "auto":
            with stage(seconds, "refit colours"):
                gaussians = replace(gaussians, sh=refit_sh(gaussians.sh))
        arrays = {"w_vector": w, "dino_points": points[0], "dino_camera_pose": camera_to_world}
        return Avatar(
            gaussians=gaussians,
            camera=framing.camera_from_pose(camera_to_world[0], region, photo.width, photo.height),
            photo=photo,
            face=None,
            provenance=Provenance(
                model="fastavatar",
                licence=LICENCE,
                seed=self._seed,
                device=self._device,
                seconds=seconds,
                warnings=self._warnings(found),
                extra=self._summary(region, found, w, points[0]),
            ),
            arrays={name: value.cpu().numpy().astype(np.float32) for name, value in arrays.items()},
            # clones, which unlike tensors of inference mode may take part in autograd
            latent=Latent(self._networks.decoder.decoder, w.clone(), points[0].clone(), self._sh_refit),
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
