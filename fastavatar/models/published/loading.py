"""From checkpoint files to a predictor."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fastavatar.errors import UsageError
from fastavatar.faces import EMBEDDING_SIZE, FaceRecogniser
from fastavatar.models import require_device
from fastavatar.models.published import (
    FastAvatarPredictor,
    GuidedNetworks,
    Person,
    Precision,
    PublishedOptions,
    load_networks,
    load_pair,
    require_networks,
    w_size,
)
from fastavatar.system import cache_folder
from fastavatar.weights import DEFAULT_PACK, Checkpoints, ensure, ensure_face_pack, read_vector

_DEFAULTS = PublishedOptions()


def load(
    device: str = "cpu",
    options: PublishedOptions = _DEFAULTS,
    *,
    cache_dir: Path | None = None,
    offline: bool = False,
    seed: int = 42,
) -> FastAvatarPredictor:
    """The published model, ready to predict.

    Checkpoints that `options` do not name come from the cache, which is filled on first use unless `offline`.
    Raises `WeightsError` for weights and face packs, `InputError` for an embedding or W, `UsageError` for
    options that exclude each other, `DeviceError` for a device that is not there.
    """
    embedding = _checked_embedding(device, options)
    place = torch.device(device)
    paths = _checkpoints(options, cache_dir, offline)
    dtype = _dtype(options.precision or "auto", place)
    networks = load_networks(paths, place, dtype, with_encoder=options.w_vector is None)
    identity = _identity(options, embedding, w_size(networks.decoder.decoder), offline, device)
    return FastAvatarPredictor(
        networks, identity, options.crop or "auto", device, seed, options.sh_refit or "auto"
    )


def load_guided(
    device: str = "cpu",
    options: PublishedOptions = _DEFAULTS,
    *,
    cache_dir: Path | None = None,
    offline: bool = False,
) -> GuidedNetworks:
    """The networks that are needed where the points are known; arguments and errors as `load`'s."""
    embedding = _checked_embedding(device, options)
    paths = _checkpoints(replace(options, dino_checkpoint=Path()), cache_dir, offline)
    pair = load_pair(paths, torch.device(device), with_encoder=options.w_vector is None)
    identity = _identity(options, embedding, w_size(pair.decoder), offline, device)
    sh_refit = options.sh_refit or "auto"
    return GuidedNetworks(pair.encoder, pair.decoder, identity, device, sh_refit, pair.made_up)


def _checked_embedding(device: str, options: PublishedOptions) -> NDArray[np.float32] | None:
    """The embedding (512,) that was given, checked before anything is fetched; None without one."""
    if options.embedding is not None and options.w_vector is not None:
        raise UsageError("an embedding and a W vector exclude each other: W is what becomes of the embedding")
    require_device(device)
    if options.embedding is None:
        return None
    return read_vector(options.embedding, EMBEDDING_SIZE, "face embedding")


def _identity(
    options: PublishedOptions,
    embedding: NDArray[np.float32] | None,
    w_width: int,
    offline: bool,
    device: str,
) -> Person:
    if options.w_vector is not None:
        return Person(w_vector=read_vector(options.w_vector, w_width, "W vector"))
    if embedding is not None:
        return Person(embedding=embedding)
    pack = ensure_face_pack(options.face_pack or DEFAULT_PACK, offline)
    return Person(FaceRecogniser(pack, device))


def _checkpoints(options: PublishedOptions, cache_dir: Path | None, offline: bool) -> Checkpoints:
    encoder, decoder = options.encoder_checkpoint, options.decoder_checkpoint
    dino, needs_encoder = options.dino_checkpoint, options.w_vector is None
    if decoder is not None and dino is not None and (encoder is not None or not needs_encoder):
        return Checkpoints(encoder or Path(), decoder, dino)
    cached = ensure(cache_folder(cache_dir), offline, require_networks)
    return Checkpoints(encoder or cached.encoder, decoder or cached.decoder, dino or cached.dino)


def _dtype(precision: Precision, device: torch.device) -> torch.dtype:
    if precision == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32
