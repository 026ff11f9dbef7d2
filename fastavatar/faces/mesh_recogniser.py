"""Identity embeddings by any recogniser of ArcFace's interface, on faces that Face Mesh finds.

Face Mesh's irises, tip of the nose and corners of the mouth take the place of InsightFace's detector, so that
one file is enough: InsightFace's recogniser of a pack, or another one that takes 112×112 pixels.
"""

import contextlib
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastavatar.core import Face
from fastavatar.errors import WeightsError
from fastavatar.faces import FaceMeshFinder, load_model

_FIVE = (468, 473, 1, 61, 291)
"""Face Mesh's landmarks at the places of ArcFace's template: irises, tip of the nose, mouth corners."""


class MeshRecogniser:
    """Faces with embeddings (E,); E is the recogniser's own, 512 for InsightFace's."""

    advice = FaceMeshFinder.advice

    def __init__(self, path: Path, device: str = "cpu") -> None:
        """`path` is the recogniser's ONNX file.

        Raises `WeightsError` where InsightFace is not installed or the file is no recogniser.
        """
        model = load_model(path, device)
        if model is None or model.taskname != "recognition":
            raise WeightsError(f"{path} is no face recogniser: one for 112×112 pixels is needed")
        if _normalises(path):
            model.input_mean, model.input_std = 0.0, 1.0
        self._model = model
        self._finder = FaceMeshFinder()

    @property
    def size(self) -> int:
        """Length of an embedding."""
        return int(self._model.output_shape[-1])

    def find(self, rgb: NDArray[np.uint8]) -> list[Face]:
        """Every face in an upright photo (H, W, 3), from left to right, with its embedding."""
        bgr = np.ascontiguousarray(rgb[..., ::-1])  # the order that InsightFace expects
        return [replace(face, embedding=self._embedding(bgr, face)) for face in self._finder.find(rgb)]

    def _embedding(self, bgr: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
        from insightface.app.common import Face as InsightFace

        five = face.landmarks[list(_FIVE), :2].astype(np.float32)
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it calls a deprecated function of scikit-image
            found = self._model.get(bgr, InsightFace(kps=five))
        return np.asarray(found, np.float32)


def _normalises(path: Path) -> bool:
    """Whether the network itself brings bytes to −1…1, so that its user may not.

    InsightFace's own rule looks for the names `Sub` and `Mul` among the first nodes, which files by other
    tools leave empty; this one looks at what the nodes do.
    """
    import onnx

    kinds = {node.op_type for node in onnx.load(str(path)).graph.node[:8]}
    return {"Sub", "Mul"} <= kinds
