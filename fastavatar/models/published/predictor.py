"""Photo → `Avatar` by the published networks.

photo ─ InsightFace ─▶ embedding ─ identity encoder ─▶ W ─────────┐
  └─── crop, 224×224 ─ point predictor ─▶ points, camera pose ─ decoder ─▶ Gaussians
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fastavatar.core import Avatar, Face, Gaussians, Photo, Provenance
from fastavatar.errors import DeviceError, FastAvatarError, InputError, WeightsError
from fastavatar.models import drawing_device
from fastavatar.models.published import (
    Crop,
    DecoderLatent,
    LatentFacts,
    Networks,
    OriginFacts,
    Person,
    ShRefit,
    framing,
    made_up_warnings,
    refit_sh,
)
from fastavatar.models.stages import stage

LICENCE = (
    "the FastAvatar weights state no licence and were trained on research-only captures; InsightFace's "
    "models are for non-commercial research only"
)


@dataclass(frozen=True)
class FramingFacts:
    """What the summary says about how the point predictor saw the photo."""

    crop: Crop
    region: framing.Region
    """The part of the photo that it saw."""
    face: Face | None
    """The face that was taken; None where no face finder ran."""
    points_shape: tuple[int, ...]
    """Shape of the points it placed."""
    precision: str
    """Number format it computed in."""

    def for_summary(self) -> dict[str, object]:
        """Fields of `summary.json`."""
        left, top, face = self.region.left, self.region.top, self.face
        edges = (left, top, left + self.region.width, top + self.region.height)
        return {
            "dino_points_shape": list(self.points_shape),
            "precision": self.precision,
            "crop": self.crop,
            "crop_box_px": [round(edge, 1) for edge in edges],
            "background_removed": self.crop == "auto",
            "face_box_px": face and [round(edge, 1) for edge in face.box],
            "face_index": face and face.index,
            "face_count": face and face.count,
        }


@dataclass(frozen=True)
class _Observed:
    """A photo before its points are placed: the face in it, the networks' input, and W."""

    photo: Photo
    face: Face | None
    """The face that was taken; None where no face finder ran."""
    region: framing.Region
    image: Tensor
    """(1, 3, 224, 224) what the networks see."""
    w: Tensor
    """(1, 512)."""
    seconds: dict[str, float]
    """Time of each stage so far; later stages add theirs."""


class FastAvatarPredictor:
    """The published networks on one device; `load` of this package makes one from checkpoint files."""

    def __init__(
        self,
        networks: Networks,
        identity: Person,
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

        Raises `NoFaceError` when there is no such face, `WeightsError` when the networks give something that
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
        """The face in a photo and what the networks see of it, or the error that stands in the way."""
        seconds: dict[str, float] = {}
        try:
            with stage(seconds, "recognise"):
                found = self._identity.recognise(photo.rgb, face)
            with stage(seconds, "frame the head"):
                taken = self._taken(photo, face, found)
                region, image = self._framed(photo, taken)
            with torch.inference_mode(), stage(seconds, "identity"):
                w = self._identity.w(found, self._networks.encoder, self._device)
        except torch.OutOfMemoryError:
            return self._no_memory()
        except Exception as error:  # the other photos go on
            return error
        return _Observed(photo, taken, region, image, w, seconds)

    def _no_memory(self) -> DeviceError:
        return DeviceError(f"not enough memory on {self._device}: use the CPU")

    def _decoded(self, seen: "_Observed", points: Tensor, camera_to_world: Tensor) -> Avatar:
        """The avatar at points (N, 3), seen by a camera (4, 4)."""
        photo, region, w, seconds = seen.photo, seen.region, seen.w, seen.seconds
        with torch.inference_mode(), stage(seconds, "decode"):
            decoded = self._networks.decoder.decode(w, points)
        gaussians = _ordinary(decoded).to(drawing_device(self._device))
        if self._sh_refit == "auto":
            with stage(seconds, "refit colours"):
                gaussians = replace(gaussians, sh=refit_sh(gaussians.sh))
        origins = OriginFacts(self._networks.origins)
        arrays = {"w_vector": w, "dino_points": points, "dino_camera_pose": camera_to_world[None]}
        return Avatar(
            gaussians=gaussians,
            camera=framing.camera_from_pose(camera_to_world, region, photo.width, photo.height),
            photo=photo,
            face=seen.face,
            provenance=Provenance(
                model="fastavatar",
                licence=origins.licence(3 if self._networks.encoder is not None else 2, LICENCE),
                seed=self._seed,
                device=self._device,
                seconds=seconds,
                warnings=self._warnings(seen.face),
                facts=(
                    LatentFacts(tuple(w.shape), self._sh_refit, bool(self._networks.made_up)),
                    origins,
                    FramingFacts(self._crop, region, seen.face, tuple(points.shape), self._precision()),
                ),
            ),
            arrays={name: value.cpu().numpy().astype(np.float32) for name, value in arrays.items()},
            # clones, which unlike tensors of inference mode may take part in autograd
            latent=DecoderLatent(self._networks.decoder.decoder, w.clone(), points.clone(), self._sh_refit),
        )

    def _taken(self, photo: Photo, face: int | None, found: Face | None) -> Face | None:
        """The face that becomes the avatar; None where its place is not needed."""
        if found is not None:
            return found
        if self._crop == "none" and face is None:
            return None
        return framing.find_by_mesh(photo, face)

    def _framed(self, photo: Photo, face: Face | None) -> tuple[framing.Region, Tensor]:
        """The region the networks see, and their input (1, 3, 224, 224)."""
        if self._crop == "none" or face is None:
            return framing.whole(photo.rgb), framing.network_input(photo.rgb)
        region = framing.framed_like_a_capture(face.box)
        picture = framing.cut(photo.rgb, region)
        if not photo.is_cut_out:
            from fastavatar.images import person_mask

            picture = framing.on_white(picture, person_mask(picture))
        return region, framing.network_input(picture)

    def _warnings(self, face: Face | None) -> tuple[str, ...]:
        warnings = made_up_warnings(self._networks.made_up)
        if face is not None and face.count > 1:
            warnings += (f"the photo shows {face.count} faces: took number {face.index} from the left",)
        return warnings

    def _precision(self) -> str:
        return str(self._networks.points.dino.dtype).removeprefix("torch.")


def _ordinary(gaussians: Gaussians) -> Gaussians:
    """A copy on the CPU, free to take part in autograd; raises `WeightsError` unless it is finite."""
    try:
        gaussians.require_finite()
    except InputError as error:
        raise WeightsError(
            f"the networks' output is no avatar ({error}): are the weights damaged?"
        ) from error
    return Gaussians(**{name: value.cpu().clone() for name, value in gaussians.tensors().items()})
