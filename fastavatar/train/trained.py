"""What the training of the encoder builds on: a trained decoder with everybody's W, and a recogniser."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fastavatar.errors import WeightsError
from fastavatar.faces import FaceFinder, FaceRecogniser, MeshRecogniser
from fastavatar.models.published import ConditionalDecoder, load_decoder
from fastavatar.train import PEOPLE_FILE, W_FILE
from fastavatar.weights import DEFAULT_PACK, STEMS, Origin, find_face_pack, read_checkpoint


@dataclass(frozen=True)
class TrainedDecoder:
    """What the run of a decoder has left."""

    decoder: ConditionalDecoder
    """Frozen."""
    w: Tensor
    """(S, 512) W of everybody it was trained on."""
    names: tuple[str, ...]
    """Names of these subjects."""
    origin: Origin | None
    """What it was trained on."""


def read_trained_decoder(run: Path, device: str) -> TrainedDecoder:
    """The decoder in the folder of a run, or in its `model` folder.

    Raises `WeightsError` where a file is missing or they do not fit each other.
    """
    folder = run / "model" if (run / "model").is_dir() else run
    path = folder / f"{STEMS.decoder.name}.pth"
    file = read_checkpoint(path)
    decoder = load_decoder(file.state, str(path), frozen=True).to(device)
    try:
        w = torch.from_numpy(np.load(folder / W_FILE, allow_pickle=False)).float()
        names = tuple(map(str, json.loads((folder / PEOPLE_FILE).read_text("utf-8"))))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder} is not from a training of the decoder: {error}") from error
    if w.ndim != 2 or len(names) != len(w):
        raise WeightsError(f"{folder}: {len(names)} names for a table of W of shape {tuple(w.shape)}")
    return TrainedDecoder(decoder, w.to(device), names, file.origin)


def load_recogniser(path: Path | None, device: str) -> tuple[FaceFinder, str]:
    """The recogniser in a file, by default InsightFace's; and its name, empty for InsightFace's."""
    if path is not None:
        return MeshRecogniser(path, device), path.name
    pack = find_face_pack(DEFAULT_PACK)
    if pack is None:
        raise WeightsError("InsightFace's pack is not on this machine: fetch it, or give another recogniser")
    return FaceRecogniser(pack, device), ""
