"""Faces and their identity embeddings by InsightFace's detector (SCRFD) and recogniser (ArcFace)."""

import contextlib
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastavatar.core import Box, Face
from fastavatar.errors import WeightsError

EMBEDDING_SIZE = 512

# As the published code prepares it.
_DETECTION_PX = (640, 640)
_DETECTION_CONFIDENCE = 0.5
# The models of InsightFace's published packs that find landmarks, age and sex: loading them takes longer than
# all the rest. InsightFace recognises models under other names by their shapes.
_UNUSED = {"1k3d68.onnx", "2d106det.onnx", "genderage.onnx"}


class FaceRecogniser:
    """InsightFace's detector and recogniser from one pack's folder; its other models are not loaded.

    Raises `WeightsError` when InsightFace is not installed, or the folder holds no usable pack.
    """

    advice = (
        "use an upright, well-lit photo in which the face fills a good part of it, as InsightFace needs, "
        "or give the face's embedding instead"
    )

    def __init__(self, pack: Path, device: str = "cpu") -> None:
        models = _load_models(pack, device)
        for task in ("detection", "recognition"):
            if task not in models:
                raise WeightsError(f"{pack} holds no InsightFace {task} model (*.onnx); fetch the pack again")
        self._detector, self._recogniser = models["detection"], models["recognition"]
        self._detector.prepare(0, input_size=_DETECTION_PX, det_thresh=_DETECTION_CONFIDENCE)

    def find(self, rgb: NDArray[np.uint8]) -> list[Face]:
        """Every face in an upright photo (H, W, 3), from left to right, with its embedding."""
        from insightface.app.common import Face as InsightFace

        bgr = np.ascontiguousarray(rgb[..., ::-1])  # the order that InsightFace expects
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it calls a deprecated function of scikit-image
            boxes, key_points = self._detector.detect(bgr, max_num=0, metric="default")
            order = np.argsort(boxes[:, 0] + boxes[:, 2], kind="stable")
            embeddings = [self._recogniser.get(bgr, InsightFace(kps=key_points[i])) for i in order]
        return [
            Face(place, len(order), _box(boxes[i]), embedding=np.asarray(embedding, np.float32))
            for place, (i, embedding) in enumerate(zip(order, embeddings, strict=True))
        ]


def _load_models(pack: Path, device: str) -> dict[str, Any]:
    """Models by task, the first of each as InsightFace takes them: in the order of their names."""
    models: dict[str, Any] = {}
    for path in sorted(pack.glob("*.onnx")):
        model = None if path.name in _UNUSED else load_model(path, device)
        if model is not None:
            models.setdefault(model.taskname, model)
    return models


def load_model(path: Path, device: str) -> Any:
    """InsightFace's model in an ONNX file; None for one of a kind that it does not know.

    Raises `WeightsError` where InsightFace is not installed or the file is damaged.
    """
    if not path.is_file():
        raise WeightsError(f"there is no file {path}")
    try:
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
        from insightface.model_zoo import model_zoo
        from onnxruntime.capi import onnxruntime_pybind11_state as onnxruntime_state
    except ImportError as error:
        raise WeightsError(
            f"InsightFace cannot be imported ({error}): `pip install '.[fastavatar]'`, "
            "or give the face's embedding as a .npy file"
        ) from error

    # onnxruntime's errors have no base of their own
    onnx_errors = tuple(
        kind
        for kind in vars(onnxruntime_state).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    )
    damage = (DecodeError, AssertionError, RuntimeError, ValueError, LookupError, OSError)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return model_zoo.get_model(str(path), providers=_providers(device))
    except (*onnx_errors, *damage) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise WeightsError(f"{path} is damaged or no InsightFace model ({reason}): delete it") from error


def _providers(device: str) -> list[str]:
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    wanted = ["CUDAExecutionProvider"] if device.startswith("cuda") else []
    available = onnxruntime.get_available_providers()
    return [name for name in wanted if name in available] + ["CPUExecutionProvider"]


def _box(row: NDArray[np.float32]) -> Box:
    left, top, right, bottom = (float(edge) for edge in row[:4])
    return left, top, right, bottom
