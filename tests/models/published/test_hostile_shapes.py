"""Checkpoints of plain tensors that make no network that runs are refused when they are loaded."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fastavatar.errors import WeightsError
from fastavatar.models.published.decoder import DecoderSizes, load_decoder
from fastavatar.models.published.dinov2 import Dinov2Sizes
from fastavatar.models.published.identity_encoder import load_identity_encoder
from fastavatar.models.published.made_up import layout, numbers, write_made_up
from fastavatar.models.published.networks import require_networks
from fastavatar.models.published.point_predictor import PointPredictorSizes, load_point_predictor
from tests.models.published.small import POINTS, SMALL_DECODER, SMALL_DINO, SMALL_POINTS

State = dict[str, Tensor]
LOADERS: list[Callable[[State, str], object]] = [load_identity_encoder, load_decoder, load_point_predictor]


def states() -> list[State]:
    return [numbers(shapes, 1) for shapes in layout(SMALL_DECODER, SMALL_POINTS)]


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64, torch.int8, torch.uint8, torch.bool])
def test_integers_in_place_of_weights_are_named(dtype: torch.dtype) -> None:
    kind = str(dtype).removeprefix("torch.")
    for load, state in zip(LOADERS, states(), strict=True):
        name = next(name for name in state if name.endswith("weight"))
        state[name] = state[name].to(dtype)
        with pytest.raises(WeightsError, match=rf"of the wrong type: {name} {kind}"):
            load(state, "file.pth")


def test_counters_of_another_integer_type_are_taken_and_others_not() -> None:
    state = states()[0]
    name = next(name for name in state if name.endswith("num_batches_tracked"))
    load_identity_encoder({**state, name: state[name].to(torch.int32)}, "file.pth")
    with pytest.raises(WeightsError, match="of the wrong type"):
        load_identity_encoder({**state, name: state[name].float()}, "file.pth")


@pytest.mark.parametrize(
    "shape", [(), (0,), (3,), (2, 3), (1, 2, 3), (0, 0), (1, 0, 3), (2, 3, 4, 5), (0, 1 << 40)]
)
def test_a_tensor_of_any_other_shape_is_reported_in_one_line(shape: tuple[int, ...]) -> None:
    for load, state in zip(LOADERS, states(), strict=True):
        for name, value in state.items():
            if tuple(value.shape) == shape:
                continue
            changed = {**state, name: torch.zeros(shape, dtype=value.dtype)}
            with pytest.raises(WeightsError, match=r"file\.pth") as caught:
                load(changed, "file.pth")
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "extra", ["register_tokens", "blocks.0.mlp.w12.weight", "blocks.70.x", "blocks.", "blocks"]
)
def test_names_of_other_backbones_are_reported(extra: str) -> None:
    state = states()[2]
    with pytest.raises(WeightsError, match="unexpected|missing"):
        load_point_predictor({**state, f"encoder.dino.{extra}": torch.zeros(3)}, "file.pth")


def test_ten_thousand_layers_are_not_built() -> None:
    blocks = {f"encoder.dino.blocks.{i}.x": torch.zeros(1) for i in range(10_000)}
    with pytest.raises(WeightsError, match="and 9990 more|and 10"):
        load_point_predictor({**states()[2], **blocks}, "file.pth")
    chain = {f"projector.{i}.weight": torch.zeros(1, 1) for i in range(10_000)}
    with pytest.raises(WeightsError, match="unexpected"):
        load_identity_encoder(chain, "file.pth")


HEADS = [64, 8, 120], [64, 8, 9], True
UNUSABLE: list[tuple[PointPredictorSizes, str]] = [
    (PointPredictorSizes(Dinov2Sizes(100, 1, 32), [100, 8, 120], [100, 8, 9], True), "multiple of 64"),
    (
        PointPredictorSizes(Dinov2Sizes(64, 1, 32, positions=12), [64, 8, 120], [64, 8, 9], True),
        "position table",
    ),
    (
        PointPredictorSizes(Dinov2Sizes(64, 1, 32, patch=300), [64, 8, 120], [64, 8, 9], True),
        "patches of 300",
    ),
    (PointPredictorSizes(SMALL_DINO, [128, 8, 121], [128, 8, 9], False), "121 numbers make no points"),
    (PointPredictorSizes(SMALL_DINO, [128, 8, 120], [128, 8, 8], True), "8 numbers make no pose"),
    (PointPredictorSizes(SMALL_DINO, [64, 8, 120], [128, 8, 9], True), "do not take tokens of 128"),
]


@pytest.mark.parametrize(("sizes", "why"), UNUSABLE)
def test_point_predictors_that_could_not_run_are_refused(sizes: PointPredictorSizes, why: str) -> None:
    state = numbers(layout(SMALL_DECODER, sizes)[2], 1)
    with pytest.raises(WeightsError, match=f"usable point predictor: .*{why}"):
        load_point_predictor(state, "file.pth")


@pytest.mark.parametrize(
    ("sizes", "why"),
    [
        (DecoderSizes(gaussians=0, embedding=8, body=(520, 16), head=8), "no Gaussians"),
        (DecoderSizes(gaussians=9, sh_coefficients=5, embedding=8, body=(520, 16), head=8), "5 coefficients"),
        (DecoderSizes(gaussians=9, embedding=8, body=(8, 16), head=8), "takes no W"),
    ],
)
def test_decoders_that_could_not_run_are_refused(sizes: DecoderSizes, why: str) -> None:
    state = numbers(layout(sizes, SMALL_POINTS)[1], 1)
    with pytest.raises(WeightsError, match=f"usable decoder: .*{why}"):
        load_decoder(state, "file.pth")


def test_an_encoder_of_other_embeddings_is_refused() -> None:
    state = {**states()[0], "projector.0.weight": torch.zeros(1024, 128)}
    with pytest.raises(WeightsError, match="takes embeddings of 128 numbers, a face has 512"):
        load_identity_encoder(state, "file.pth")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"max_points": -5}',
        '{"max_points": 1e400}',
        '{"max_points": 99999999999999999999}',
        '{"max_points": []}',
        '{"mean_shape": "abc"}',
        '{"mean_shape": [[1, 2, "x"]]}',
        json.dumps({"mean_shape": [[float("nan")] * 3] * POINTS}),
        json.dumps({"mean_shape": [[1e39] * 3] * POINTS}),
        '{"mean_shape": [[' + "9" * 5000 + ", 1, 2]]}",
        "\udcff",
    ],
)
@pytest.mark.parametrize("beside", [True, False])
def test_metadata_of_any_kind_is_reported_in_one_line(tmp_path: Path, text: str, beside: bool) -> None:
    paths = write_made_up(tmp_path / "run", 1, SMALL_DECODER, SMALL_POINTS)
    folder = tmp_path / "run" if beside else tmp_path
    (folder / "metadata.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(WeightsError, match=r"metadata\.json") as caught:
        require_networks(paths)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000


def test_metadata_beside_the_checkpoint_goes_before_that_above(tmp_path: Path) -> None:
    paths = write_made_up(tmp_path / "run", 1, SMALL_DECODER, SMALL_POINTS)
    (tmp_path / "metadata.json").write_text('{"max_points": 7}')
    with pytest.raises(WeightsError, match="misshapen"):
        require_networks(paths)
    (tmp_path / "run" / "metadata.json").write_text("{}")
    require_networks(paths)
