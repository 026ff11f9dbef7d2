"""From checkpoint files to a predictor."""

import json
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from fastavatar.errors import UsageError, WeightsError
from fastavatar.faces.insightface import EMBEDDING_SIZE, FaceRecogniser
from fastavatar.models import require_device
from fastavatar.models.fastavatar.decoder import ConditionalDecoder, fold, load_decoder
from fastavatar.models.fastavatar.identity_encoder import IdentityEncoder, load_identity_encoder
from fastavatar.models.fastavatar.point_predictor import Metadata, PointPredictor, load_point_predictor
from fastavatar.models.fastavatar.predictor import Crop, FastAvatarPredictor, Identity, Networks
from fastavatar.weights.cache import cache_folder
from fastavatar.weights.checkpoint import read_checkpoint
from fastavatar.weights.face_pack import DEFAULT_PACK, ensure_face_pack
from fastavatar.weights.published import Checkpoints
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
    seed: int = 42,
) -> FastAvatarPredictor:
    """The published model, ready to predict.

    Checkpoints that are not given come from the cache, which is filled on first use unless `offline`.
    Raises `WeightsError` for weights and face packs, `InputError` for an embedding or W, `UsageError` for
    flags that exclude each other, `DeviceError` for a device that is not there.
    """
    if embedding is not None and w_vector is not None:
        raise UsageError("--embedding and --w_vector exclude each other: W is what becomes of the embedding")
    require_device(device)
    place = torch.device(device)
    given_embedding = None if embedding is None else read_vector(embedding, EMBEDDING_SIZE, "face embedding")
    needed = (None if w_vector else encoder_checkpoint, decoder_checkpoint, dino_checkpoint)
    paths = _checkpoints(needed, w_vector is not None, cache_dir, offline)
    networks = load_networks(paths, place, _dtype(precision, place), with_encoder=w_vector is None)
    width = networks.decoder.w_weight.shape[1]
    given_w = None if w_vector is None else read_vector(w_vector, width, "W vector")
    recognise = given_embedding is None and given_w is None
    recogniser = FaceRecogniser(ensure_face_pack(face_pack, offline), device) if recognise else None
    return FastAvatarPredictor(networks, Identity(recogniser, given_embedding, given_w), crop, device, seed)


def load_networks(
    paths: Checkpoints, device: torch.device, dtype: torch.dtype = torch.float32, with_encoder: bool = True
) -> Networks:
    """The three networks on `device`, their large matrix products in `dtype`.

    Raises `WeightsError` when a file is no checkpoint, holds another network, or does not fit the others.
    """
    encoder_file = read_checkpoint(paths.encoder) if with_encoder else None
    decoder_file, dino_file = read_checkpoint(paths.decoder), read_checkpoint(paths.dino)
    encoder = load_identity_encoder(encoder_file.state, str(paths.encoder)) if encoder_file else None
    decoder = load_decoder(decoder_file.state, str(paths.decoder))
    points = load_point_predictor(dino_file.state, str(paths.dino), read_metadata(paths.dino), dtype)
    _require_match(paths, encoder, decoder, points)
    folded = fold(decoder, dtype).to(device)
    files = (encoder_file, decoder_file, dino_file)
    made_up = tuple(file.made_up for file in files if file is not None and file.made_up is not None)
    return Networks(encoder and encoder.to(device), points.to(device), folded, made_up)


def read_metadata(dino_checkpoint: Path) -> Metadata | None:
    """What `metadata.json` two folders above the checkpoint says of its network; None where there is none.

    Raises `WeightsError` when it cannot be understood.
    """
    path = dino_checkpoint.absolute().parent.parent / "metadata.json"
    if not path.is_file():
        return None
    try:
        told = json.loads(path.read_text())
        metadata = Metadata()
        if "max_points" in told:
            metadata["max_points"] = int(told["max_points"])
        if "use_rotation_6d" in told:
            metadata["use_rotation_6d"] = bool(told["use_rotation_6d"])
        if "predict_point_residuals" in told:
            metadata["predict_point_residuals"] = bool(told["predict_point_residuals"])
        if told.get("mean_shape") is not None:
            metadata["mean_shape"] = [[float(x) for x in point] for point in told["mean_shape"]]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{path}, which describes {dino_checkpoint}, cannot be understood: {error}"
        ) from error
    return metadata


def _checkpoints(
    given: tuple[Path | None, Path | None, Path | None],
    no_encoder: bool,
    cache_dir: Path | None,
    offline: bool,
) -> Checkpoints:
    encoder, decoder, dino = given
    if decoder is not None and dino is not None and (encoder is not None or no_encoder):
        return Checkpoints(encoder or Path(), decoder, dino)
    cached = ensure(cache_folder(cache_dir), offline)
    return Checkpoints(encoder or cached.encoder, decoder or cached.decoder, dino or cached.dino)


def _require_match(
    paths: Checkpoints, encoder: IdentityEncoder | None, decoder: ConditionalDecoder, points: PointPredictor
) -> None:
    takes = decoder.linears("shared_body")[0].in_features - decoder.gaussian_embeddings.embedding_dim
    last = None if encoder is None else encoder.projector[-1]
    if isinstance(last, nn.Linear) and last.out_features != takes:
        raise WeightsError(
            f"{paths.encoder} gives a W of {last.out_features} numbers, {paths.decoder} takes {takes}: "
            "they are of different models"
        )
    head = points.points_projector[-1]
    count = decoder.gaussian_embeddings.num_embeddings
    if isinstance(head, nn.Linear) and head.out_features != 3 * count:
        raise WeightsError(
            f"{paths.dino} gives {head.out_features // 3} points, {paths.decoder} has {count} Gaussians: "
            "they are of different models"
        )


def _dtype(precision: Precision, device: torch.device) -> torch.dtype:
    if precision == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32
