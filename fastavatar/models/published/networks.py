"""Load the published networks from checkpoint files, and make sure that they fit each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from fastavatar.errors import WeightsError
from fastavatar.models.published import (
    ConditionalDecoder,
    FoldedDecoder,
    IdentityEncoder,
    PointPredictor,
    fold,
    load_decoder,
    load_identity_encoder,
    load_point_predictor,
)
from fastavatar.weights import Checkpoint, Checkpoints, Origin, read_checkpoint, read_metadata


@dataclass(frozen=True)
class Networks:
    """The three networks, loaded."""

    encoder: IdentityEncoder | None
    """Embedding → W; None where W is given."""
    points: PointPredictor
    """Photo → points and camera pose."""
    decoder: FoldedDecoder
    """W and points → Gaussians."""
    made_up: tuple[str, ...] = ()
    """How the numbers of each file that was not trained were made up."""
    origins: Mapping[str, Origin] = field(default_factory=dict)
    """What `encoder`, `decoder` and `points` were trained on, of those whose files state it."""


@dataclass(frozen=True)
class Pair:
    """The two networks that are needed where the points are known, loaded."""

    encoder: IdentityEncoder | None
    """Embedding → W; None where W is given."""
    decoder: ConditionalDecoder
    """W and points → Gaussians."""
    made_up: tuple[str, ...]
    """How the numbers of each file that was not trained were made up."""
    origins: Mapping[str, Origin]
    """What each was trained on, as in `Networks`."""


def w_size(decoder: ConditionalDecoder) -> int:
    """Length of the W that the decoder takes."""
    return decoder.linears("shared_body")[0].in_features - decoder.gaussian_embeddings.embedding_dim


def load_pair(paths: Checkpoints, device: torch.device, with_encoder: bool = True) -> Pair:
    """Encoder and decoder on `device`, frozen; the encoder only where it is needed.

    Raises `WeightsError` when a file is no checkpoint, holds another network, or does not fit the other.
    """
    encoder_file = read_checkpoint(paths.encoder) if with_encoder else None
    decoder_file = read_checkpoint(paths.decoder)
    encoder = None
    if encoder_file is not None:
        other = encoder_file.origin is not None  # one of our own may be for another recogniser
        encoder = load_identity_encoder(encoder_file.state, str(paths.encoder), True, any_embedding=other)
    decoder = load_decoder(decoder_file.state, str(paths.decoder), frozen=True)
    # Each loader takes any sizes of the design, so that the sizes of two files can still disagree.
    last = None if encoder is None else encoder.projector[-1]
    if isinstance(last, nn.Linear) and last.out_features != w_size(decoder):
        raise WeightsError(
            f"{paths.encoder} gives a W of {last.out_features} numbers, {paths.decoder} takes "
            f"{w_size(decoder)}: they are of different models"
        )
    files = (encoder_file, decoder_file)
    made_up = tuple(file.made_up for file in files if file is not None and file.made_up is not None)
    origins = _origins({"encoder": encoder_file, "decoder": decoder_file})
    return Pair(encoder and encoder.to(device), decoder.to(device), made_up, origins)


def load_networks(
    paths: Checkpoints, device: torch.device, dtype: torch.dtype = torch.float32, with_encoder: bool = True
) -> Networks:
    """The three networks on `device`, frozen, their large matrix products in `dtype`.

    Raises `WeightsError` when a file is no checkpoint, holds another network, or does not fit the others.
    """
    pair = load_pair(paths, device, with_encoder)
    file = read_checkpoint(paths.dino)
    metadata = read_metadata(paths.dino)
    points = load_point_predictor(file.state, str(paths.dino), metadata, dtype, frozen=True)
    # The decoder's Gaussian i sits at point i: FLAME's triangles in the order of its mesh.
    head = points.points_projector[-1]
    count = pair.decoder.gaussian_embeddings.num_embeddings
    if isinstance(head, nn.Linear) and head.out_features != 3 * count:
        raise WeightsError(
            f"{paths.dino} gives {head.out_features // 3} points, {paths.decoder} has {count} Gaussians: "
            "they are of different models"
        )
    made_up = pair.made_up if file.made_up is None else (*pair.made_up, file.made_up)
    origins = {**pair.origins, **_origins({"points": file})}
    return Networks(pair.encoder, points.to(device), fold(pair.decoder, dtype), made_up, origins)


def _origins(files: Mapping[str, Checkpoint | None]) -> dict[str, Origin]:
    """The origins of those files that state one."""
    return {name: file.origin for name, file in files.items() if file is not None and file.origin is not None}


def require_networks(paths: Checkpoints) -> None:
    """Raise `WeightsError` unless the files are whole, fit each other, and hold finite numbers alone."""
    load_networks(paths, torch.device("cpu"))
    for path in paths.paths():
        for name, value in read_checkpoint(path).state.items():
            if not value.isfinite().all():
                raise WeightsError(f"{path} is damaged: {name} holds numbers that are not finite")


def made_up_warnings(made_up: tuple[str, ...]) -> tuple[str, ...]:
    """The warning that goes with networks of made-up numbers; none where all were trained."""
    return tuple(f"MADE-UP WEIGHTS: this is no prediction, the networks hold {how}" for how in made_up[:1])
