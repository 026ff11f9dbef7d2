"""Stand-ins for the models of an InsightFace pack, small enough to make in a test.

InsightFace routes a model by its shapes: nine outputs are a detector with key points (SCRFD), a square input
of 112 is a recogniser (ArcFace). This detector finds the same faces in every photo; this recogniser's
embedding is the mean colour of the aligned face, repeated.
"""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

DETECTION_PX = 640
Box = tuple[float, float, float, float]


def write_pack(folder: Path, boxes: list[Box]) -> Path:
    """Write a detector that finds `boxes` (pixels of a 640×640 photo) and a recogniser."""
    folder.mkdir(parents=True, exist_ok=True)
    write_detector(folder / "det.onnx", boxes)
    write_recogniser(folder / "rec.onnx")
    return folder


def write_detector(path: Path, boxes: list[Box]) -> None:
    """Nine outputs: scores, box edges and key points for strides 8, 16, 32 with two anchors a cell."""
    outputs, nodes = [], []
    for kind, width in (("score", 1), ("bbox", 4), ("kps", 10)):
        for stride in (8, 16, 32):
            side = DETECTION_PX // stride
            values = np.zeros((side * side * 2, width), np.float32)
            if stride == 32:
                for rank, box in enumerate(boxes):
                    values[_anchor(box, stride, side)] = _said(kind, box, stride, rank)
            name = f"{kind}_{stride}"
            tensor = numpy_helper.from_array(values, f"{name}_value")
            nodes.append(helper.make_node("Constant", [], [name], value=tensor))
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, values.shape))
    _save(path, nodes, [1, 3, DETECTION_PX, DETECTION_PX], outputs)


def write_recogniser(path: Path) -> None:
    """(1, 3, 112, 112) → (1, 512): red, green and blue means in turn."""
    spread = np.zeros((3, 512), np.float32)
    for i in range(512):
        spread[i % 3, i] = 1
    nodes = [
        helper.make_node("GlobalAveragePool", ["input"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Constant", [], ["spread"], value=numpy_helper.from_array(spread)),
        helper.make_node("MatMul", ["flat", "spread"], ["embedding"]),
    ]
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 512])
    _save(path, nodes, [1, 3, 112, 112], [output])


def _save(
    path: Path, nodes: list[onnx.NodeProto], shape: list[int], outputs: list[onnx.ValueInfoProto]
) -> None:
    given = helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "stand_in", [given], outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path)


def _anchor(box: Box, stride: int, side: int) -> int:
    """Row of the first anchor of the cell under the box's centre."""
    column, row = int((box[0] + box[2]) / 2 / stride), int((box[1] + box[3]) / 2 / stride)
    return (row * side + column) * 2


def _said(kind: str, box: Box, stride: int, rank: int) -> float | NDArray[np.float32]:
    """The detector's outputs at that anchor, in strides from the anchor's corner."""
    if kind == "score":
        return 0.9 - 0.01 * rank
    left, top, right, bottom = box
    x, y = (int((left + right) / 2 / stride) * stride, int((top + bottom) / 2 / stride) * stride)
    if kind == "bbox":
        return np.divide([x - left, y - top, right - x, bottom - y], stride, dtype=np.float32)
    width, height = right - left, bottom - top
    eyes_nose_mouth = [(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)]
    points = [(left + u * width - x, top + v * height - y) for u, v in eyes_nose_mouth]
    return np.divide(points, stride, dtype=np.float32).ravel()
