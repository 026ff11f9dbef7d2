"""From checkpoint files to a predictor."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from fastavatar.errors import UsageError
from fastavatar.faces import EMBEDDING_SIZE, FaceRecogniser, MeshRecogniser
from fastavatar.models import require_device
from fastavatar.models.published import (
    FastAvatarPredictor,
    GuidedNetworks,
    IdentityEncoder,
    Person,
    Precision,
    PublishedOptions,
    load_networks,
    load_pair,
    require_networks,
    w_size,
)
from fastavatar.system import cache_folder
from fastavatar.weights import DEFAULT_PACK, Checkpoints, Origin, ensure, ensure_face_pack, read_vector

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
    _require_possible(device, options)
    place = torch.device(device)
    paths = _checkpoints(options, cache_dir, offline)
    dtype = _dtype(options.precision or "auto", place)
    networks = load_networks(paths, place, dtype, with_encoder=options.w_vector is None)
    _require_recogniser(options, networks.encoder, networks.origins)
    identity = _identity(options, w_size(networks.decoder.decoder), networks.encoder, offline, device)
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
    _require_possible(device, options)
    paths = _checkpoints(replace(options, dino_checkpoint=Path()), cache_dir, offline)
    pair = load_pair(paths, torch.device(device), with_encoder=options.w_vector is None)
    _require_recogniser(options, pair.encoder, pair.origins)
    identity = _identity(options, w_size(pair.decoder), pair.encoder, offline, device)
    sh_refit = options.sh_refit or "auto"
    return GuidedNetworks(pair.encoder, pair.decoder, identity, device, sh_refit, pair.made_up, pair.origins)


def _require_possible(device: str, options: PublishedOptions) -> None:
    """Raise what is wrong with the options before anything is fetched or loaded."""
    if options.embedding is not None and options.w_vector is not None:
        raise UsageError("an embedding and a W vector exclude each other: W is what becomes of the embedding")
    if options.recogniser is not None and (options.embedding is not None or options.w_vector is not None):
        raise UsageError("a recogniser is of no use with an embedding or a W vector")
    require_device(device)
    if options.embedding is not None and options.encoder_checkpoint is None:
        read_vector(options.embedding, EMBEDDING_SIZE, "face embedding")


def _require_recogniser(
    options: PublishedOptions, encoder: IdentityEncoder | None, origins: Mapping[str, Origin]
) -> None:
    """Raise `UsageError` unless the embeddings come from the recogniser that the encoder was trained with."""
    origin = origins.get("encoder")
    wanted = "" if encoder is None or origin is None else origin.recogniser
    given = "" if options.recogniser is None else options.recogniser.name
    if options.embedding is None and encoder is not None and wanted != given:
        raise UsageError(
            f"the encoder was trained with {f'the recogniser {wanted}' if wanted else 'InsightFace'}: "
            f"{'give that' if wanted else f'leave out {given}'}"
        )


def _identity(
    options: PublishedOptions, w_width: int, encoder: IdentityEncoder | None, offline: bool, device: str
) -> Person:
    if options.w_vector is not None:
        return Person(w_vector=read_vector(options.w_vector, w_width, "W vector"))
    size = EMBEDDING_SIZE if encoder is None else encoder.embedding_size
    if options.embedding is not None:
        return Person(embedding=read_vector(options.embedding, size, "face embedding"))
    if options.recogniser is not None:
        recogniser = MeshRecogniser(options.recogniser, device)
        if recogniser.size != size:
            raise UsageError(
                f"{options.recogniser} gives {recogniser.size} numbers, the encoder takes {size}: "
                "it is not the recogniser that it was trained with"
            )
        return Person(recogniser)
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
