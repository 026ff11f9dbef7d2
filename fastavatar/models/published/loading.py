"""From checkpoint files to a predictor."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from fastavatar.errors import UsageError
from fastavatar.faces.insightface import EMBEDDING_SIZE, FaceRecogniser
from fastavatar.models import require_device
from fastavatar.models.published.guided import GuidedNetworks
from fastavatar.models.published.identity import Identity
from fastavatar.models.published.networks import load_networks, load_pair, require_networks, w_size
from fastavatar.models.published.predictor import Crop, FastAvatarPredictor
from fastavatar.models.published.sh_refit import ShRefit
from fastavatar.system.cache_folder import cache_folder
from fastavatar.weights.face_pack import DEFAULT_PACK, ensure_face_pack
from fastavatar.weights.release import Checkpoints
from fastavatar.weights.store import ensure
from fastavatar.weights.vectors import read_vector

Precision = Literal[
    "auto",  # bfloat16 on a GPU, float32 on a CPU
    "float32",  # equal to the published code
    "bfloat16",  # matrix products of DINOv2 and the decoder in 16 bits
]


def load(
    device: str = "cpu",
    *,
    encoder_checkpoint: Path | None = None,
    decoder_checkpoint: Path | None = None,
    dino_checkpoint: Path | None = None,
    cache_dir: Path | None = None,
    offline: bool = False,
    embedding: Path | None = None,
    w_vector: Path | None = None,
    face_pack: str = DEFAULT_PACK,
    crop: Crop = "auto",
    precision: Precision = "auto",
    sh_refit: ShRefit = "auto",
    seed: int = 42,
) -> FastAvatarPredictor:
    """The published model, ready to predict.

    Checkpoints that are not given come from the cache, which is filled on first use unless `offline`.
    Raises `WeightsError` for weights and face packs, `InputError` for an embedding or W, `UsageError` for
    flags that exclude each other, `DeviceError` for a device that is not there.
    """
    given_embedding = _asked(device, embedding, w_vector)
    place = torch.device(device)
    needed = (encoder_checkpoint, decoder_checkpoint, dino_checkpoint)
    paths = _checkpoints(needed, w_vector is not None, cache_dir, offline)
    networks = load_networks(paths, place, _dtype(precision, place), with_encoder=w_vector is None)
    width = w_size(networks.decoder.decoder)
    identity = _identity(given_embedding, w_vector, width, face_pack, offline, device)
    return FastAvatarPredictor(networks, identity, crop, device, seed, sh_refit)


def load_guided(
    device: str = "cpu",
    *,
    encoder_checkpoint: Path | None = None,
    decoder_checkpoint: Path | None = None,
    cache_dir: Path | None = None,
    offline: bool = False,
    embedding: Path | None = None,
    w_vector: Path | None = None,
    face_pack: str = DEFAULT_PACK,
    sh_refit: ShRefit = "auto",
) -> GuidedNetworks:
    """The networks that are needed where the points are known; arguments and errors as `load`'s."""
    given_embedding = _asked(device, embedding, w_vector)
    needed = (encoder_checkpoint, decoder_checkpoint, Path())
    paths = _checkpoints(needed, w_vector is not None, cache_dir, offline)
    pair = load_pair(paths, torch.device(device), with_encoder=w_vector is None)
    identity = _identity(given_embedding, w_vector, w_size(pair.decoder), face_pack, offline, device)
    return GuidedNetworks(pair.encoder, pair.decoder, identity, device, sh_refit, pair.made_up)


def _asked(device: str, embedding: Path | None, w_vector: Path | None) -> NDArray[np.float32] | None:
    """The embedding given, checked before anything is fetched."""
    if embedding is not None and w_vector is not None:
        raise UsageError("--embedding and --w_vector exclude each other: W is what becomes of the embedding")
    require_device(device)
    return None if embedding is None else read_vector(embedding, EMBEDDING_SIZE, "face embedding")


def _identity(
    embedding: NDArray[np.float32] | None,
    w_vector: Path | None,
    w_width: int,
    face_pack: str,
    offline: bool,
    device: str,
) -> Identity:
    if w_vector is not None:
        return Identity(w_vector=read_vector(w_vector, w_width, "W vector"))
    if embedding is not None:
        return Identity(embedding=embedding)
    return Identity(FaceRecogniser(ensure_face_pack(face_pack, offline), device))


def _checkpoints(
    given: tuple[Path | None, Path | None, Path | None],
    no_encoder: bool,
    cache_dir: Path | None,
    offline: bool,
) -> Checkpoints:
    encoder, decoder, dino = given
    if decoder is not None and dino is not None and (encoder is not None or no_encoder):
        return Checkpoints(encoder or Path(), decoder, dino)
    cached = ensure(cache_folder(cache_dir), offline, require_networks)
    return Checkpoints(encoder or cached.encoder, decoder or cached.decoder, dino or cached.dino)


def _dtype(precision: Precision, device: torch.device) -> torch.dtype:
    if precision == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32
