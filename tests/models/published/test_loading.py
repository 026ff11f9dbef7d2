import json
from pathlib import Path

import numpy as np
import pytest
import torch

from fastavatar.core import Photo
from fastavatar.errors import DeviceError, InputError, UsageError, WeightsError
from fastavatar.models import load_predictor
from fastavatar.models.published.decoder import DecoderSizes, load_decoder
from fastavatar.models.published.dinov2 import Dinov2Sizes
from fastavatar.models.published.identity_encoder import load_identity_encoder
from fastavatar.models.published.loading import load
from fastavatar.models.published.made_up import PUBLISHED_POINTS, layout, numbers, write_made_up
from fastavatar.models.published.networks import load_networks
from fastavatar.models.published.options import Precision, PublishedOptions
from fastavatar.models.published.point_predictor import (
    PointPredictorSizes,
    load_point_predictor,
    pose_matrix,
)
from fastavatar.models.published.predictor import FramingFacts
from fastavatar.weights.metadata import Metadata
from tests.models.published.small import POINTS, SMALL_DECODER, SMALL_DINO, SMALL_POINTS

CPU = torch.device("cpu")


def noise() -> Photo:
    rgb = np.random.default_rng(0).integers(0, 256, (80, 60, 3), np.uint8)
    return Photo(rgb, None, None, Path("noise.png"))


def test_missing_extra_and_misshapen_keys_are_listed_with_the_file() -> None:
    state = numbers(layout(SMALL_DECODER, SMALL_POINTS)[0], 1)
    del state["projector.5.running_mean"]
    state["projector.12.weight"] = torch.zeros(3)
    state["projector.8.bias"] = torch.zeros(7)
    with pytest.raises(WeightsError) as caught:
        load_identity_encoder(state, "some/encoder.pth")
    told = str(caught.value)
    assert told.startswith("some/encoder.pth does not hold the weights of the identity encoder")
    assert "missing: projector.5.running_mean;" in told
    assert "unexpected: projector.12.weight;" in told
    assert "misshapen: projector.8.bias (7,) instead of (512,)" in told
    assert "\n" not in told


def test_every_single_missing_key_is_noticed() -> None:
    encoder, decoder, dino = (numbers(shapes, 1) for shapes in layout(SMALL_DECODER, SMALL_POINTS))
    for loader, state in (
        (load_identity_encoder, encoder),
        (load_decoder, decoder),
        (load_point_predictor, dino),
    ):
        for name in state:
            rest = {other: value for other, value in state.items() if other != name}
            with pytest.raises(WeightsError):
                loader(rest, "file.pth")


def test_the_file_of_another_network_is_refused() -> None:
    encoder, decoder, dino = (numbers(shapes, 1) for shapes in layout(SMALL_DECODER, SMALL_POINTS))
    for loader, state in (
        (load_identity_encoder, decoder),
        (load_decoder, dino),
        (load_point_predictor, encoder),
    ):
        with pytest.raises(WeightsError, match=r"missing: .* and \d+ more"):
            loader(state, "file.pth")


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_numbers_of_another_precision_become_float32(dtype: torch.dtype) -> None:
    state = numbers(layout(SMALL_DECODER, SMALL_POINTS)[1], 1)
    decoder = load_decoder({name: value.to(dtype) for name, value in state.items()}, "file.pth")
    assert decoder.base_scales.dtype == torch.float32


VARIANTS = [
    SMALL_POINTS,
    PointPredictorSizes(SMALL_DINO, [128, 24, 3 * POINTS], [128, 24, 9], residuals=False),
    PointPredictorSizes(SMALL_DINO, [128, 32, 32, 3 * POINTS], [128, 32, 32, 7], residuals=True),
    PointPredictorSizes(
        Dinov2Sizes(width=64, depth=1, hidden=32),
        [64, 32, 16, 16, 3 * POINTS],
        [64, 32, 16, 16, 7],
        residuals=False,
    ),
]


@pytest.mark.parametrize("sizes", VARIANTS)
def test_other_sizes_of_the_design_load_by_their_shapes(sizes: PointPredictorSizes) -> None:
    state = numbers(layout(SMALL_DECODER, sizes)[2], 1)
    points, camera_to_world = load_point_predictor(state, "dino.pth")(torch.rand(2, 3, 224, 224))
    assert points.shape == (2, POINTS, 3)
    rotation = camera_to_world[:, :3, :3]
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3).expand(2, 3, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(2))


def test_residuals_are_a_tenth_of_the_head_on_top_of_both_mean_shapes() -> None:
    state = numbers(layout(SMALL_DECODER, SMALL_POINTS)[2], 1)
    predictor = load_point_predictor(state, "dino.pth")
    cls_token = torch.randn(1, 128)
    mean = state["encoder.mean_shape"] + state["encoder.learn_mean_shape"]
    head = predictor.points_projector(cls_token).reshape(1, -1, 3)
    torch.testing.assert_close(predictor.heads(cls_token)[0], mean + 0.1 * head)


def test_both_kinds_of_pose_give_the_rotation_they_describe() -> None:
    half_turn_about_z = torch.tensor([[-1.0, 0, 0], [0, -1, 0], [0, 0, 1]])
    translation = torch.tensor([1.0, 2, 3])
    six = torch.cat([torch.tensor([-2.0, 0, 0, -5, -3, 0]), translation])[None]
    quaternion = torch.cat([torch.tensor([0.0, 0, 0, 4]), translation])[None]
    for pose in (six, quaternion):
        matrix = pose_matrix(pose)[0]
        torch.testing.assert_close(matrix[:3, :3], half_turn_about_z)
        assert matrix[:, 3].tolist() == [1, 2, 3, 1]


def test_six_numbers_are_the_first_two_rows() -> None:
    rotation = torch.linalg.qr(torch.randn(3, 3))[0]
    rotation = rotation * torch.linalg.det(rotation)
    pose = torch.cat([rotation[0], rotation[1], torch.zeros(3)])[None]
    torch.testing.assert_close(pose_matrix(pose)[0, :3, :3], rotation)


def test_metadata_decides_where_it_speaks(tmp_path: Path) -> None:
    paths = write_made_up(tmp_path / "run", 1, SMALL_DECODER, SMALL_POINTS)
    mean_shape = np.full((POINTS, 3), 0.25).tolist()
    (tmp_path / "metadata.json").write_text(
        json.dumps({"mean_shape": mean_shape, "dino_model": "dinov2_vitb14"})
    )
    predictor = load_networks(paths, CPU).points
    assert torch.equal(predictor.mean_shape, torch.full((POINTS, 3), 0.25))
    (tmp_path / "metadata.json").write_text(json.dumps({"max_points": POINTS + 1}))
    with pytest.raises(WeightsError, match=r"learn_mean_shape \(40, 3\) instead of \(41, 3\)"):
        load_networks(paths, CPU)
    (tmp_path / "metadata.json").write_text(json.dumps({"use_rotation_6d": False}))
    with pytest.raises(WeightsError, match="pose_projector"):
        load_networks(paths, CPU)
    (tmp_path / "metadata.json").write_text(json.dumps({"mean_shape": [[1, 2, 3]]}))
    with pytest.raises(WeightsError, match="mean_shape"):
        load_networks(paths, CPU)


@pytest.mark.parametrize("text", ["", "[1]", '{"max_points": "many"}', '{"mean_shape": 3}'])
def test_metadata_that_cannot_be_understood_is_reported(tmp_path: Path, text: str) -> None:
    paths = write_made_up(tmp_path / "run", 1, SMALL_DECODER, SMALL_POINTS)
    (tmp_path / "metadata.json").write_text(text)
    with pytest.raises(WeightsError, match=r"metadata\.json, which describes .* cannot be understood"):
        load_networks(paths, CPU)


def test_no_residuals_by_metadata() -> None:
    sizes = VARIANTS[1]
    state = numbers(layout(SMALL_DECODER, sizes)[2], 1)
    predictor = load_point_predictor(state, "dino.pth", Metadata(predict_point_residuals=False))
    assert not predictor.residuals
    with pytest.raises(WeightsError, match=r"missing: encoder\.learn_mean_shape, encoder\.mean_shape"):
        load_point_predictor(state, "dino.pth", Metadata(predict_point_residuals=True))


def test_checkpoints_of_different_models_are_noticed(tmp_path: Path) -> None:
    paths = write_made_up(tmp_path / "a", 1, SMALL_DECODER, SMALL_POINTS)
    other = write_made_up(
        tmp_path / "b", 1, DecoderSizes(gaussians=9, embedding=8, body=(500, 16), head=8), SMALL_POINTS
    )
    with pytest.raises(WeightsError, match="gives a W of 512 numbers, .* takes 492"):
        load_networks(type(paths)(paths.encoder, other.decoder, paths.dino), CPU)
    with pytest.raises(WeightsError, match="gives 40 points, .* has 9 Gaussians"):
        load_networks(type(paths)(paths.encoder, other.decoder, paths.dino), CPU, with_encoder=False)


def test_a_folder_of_checkpoints_predicts(tmp_path: Path) -> None:
    write_made_up(tmp_path, 1, SMALL_DECODER, SMALL_POINTS)
    np.save(tmp_path / "e.npy", np.ones(512, np.float32))
    given = PublishedOptions(embedding=tmp_path / "e.npy", crop="none")
    predictor = load("cpu", given, cache_dir=tmp_path, offline=True)
    avatar = predictor.predict(noise())
    assert len(avatar.gaussians) == POINTS
    facts = avatar.provenance.fact(FramingFacts)
    assert facts is not None and facts.for_summary()["dino_points_shape"] == [POINTS, 3]
    assert (avatar.camera.width, avatar.camera.height) == (60, 80)
    np.save(tmp_path / "w.npy", avatar.arrays["w_vector"])
    files = PublishedOptions(
        decoder_checkpoint=tmp_path / "decoder_neutral_flame.pth",
        dino_checkpoint=tmp_path / "dino_encoder.pth",
        w_vector=tmp_path / "w.npy",
        crop="none",
    )
    again = load("cpu", files, offline=True, cache_dir=tmp_path / "nothing")
    assert torch.equal(again.predict(noise()).gaussians.sh, avatar.gaussians.sh)


def test_bfloat16_is_used_when_asked_for(tmp_path: Path) -> None:
    write_made_up(tmp_path, 1, SMALL_DECODER, SMALL_POINTS)
    np.save(tmp_path / "e.npy", np.ones(512, np.float32))
    found = {}
    precisions: tuple[Precision, ...] = ("auto", "float32", "bfloat16")
    for precision in precisions:
        given = PublishedOptions(embedding=tmp_path / "e.npy", crop="none", precision=precision)
        avatar = load("cpu", given, cache_dir=tmp_path).predict(noise())
        facts = avatar.provenance.fact(FramingFacts)
        assert facts is not None
        assert facts.precision == ("bfloat16" if precision == "bfloat16" else "float32")
        found[precision] = avatar.gaussians.means
    assert torch.equal(found["auto"], found["float32"])
    assert 0 < float((found["bfloat16"] - found["float32"]).abs().max()) < 0.05


def test_contradicting_options_and_missing_files_are_reported(tmp_path: Path) -> None:
    write_made_up(tmp_path, 1, SMALL_DECODER, SMALL_POINTS)
    np.save(tmp_path / "e.npy", np.ones(512, np.float32))
    vector = tmp_path / "e.npy"
    with pytest.raises(UsageError, match="exclude each other"):
        load("cpu", PublishedOptions(embedding=vector, w_vector=vector), cache_dir=tmp_path)
    given = PublishedOptions(embedding=vector)
    with pytest.raises(DeviceError, match="there is no device 'abacus'"):
        load("abacus", given, cache_dir=tmp_path)
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="use cpu"):
            load("cuda", given, cache_dir=tmp_path)
    np.save(tmp_path / "short.npy", np.ones(8, np.float32))
    with pytest.raises(InputError, match="face embedding of 512 numbers"):
        load("cpu", PublishedOptions(embedding=tmp_path / "short.npy"), cache_dir=tmp_path)
    with pytest.raises(InputError, match="W vector of 512 numbers"):
        load("cpu", PublishedOptions(w_vector=tmp_path / "short.npy"), cache_dir=tmp_path)
    with pytest.raises(WeightsError, match="offline"):
        load("cpu", given, cache_dir=tmp_path / "empty", offline=True)


def test_weights_that_give_no_numbers_are_reported(tmp_path: Path) -> None:
    paths = write_made_up(tmp_path, 1, SMALL_DECODER, SMALL_POINTS)
    held = torch.load(paths.decoder, weights_only=True)
    held["model_dict"]["base_scales"][3, 1] = float("nan")
    torch.save(held, paths.decoder)
    np.save(tmp_path / "e.npy", np.ones(512, np.float32))
    given = PublishedOptions(embedding=tmp_path / "e.npy", crop="none")
    predictor = load("cpu", given, cache_dir=tmp_path)
    with pytest.raises(WeightsError, match="log_scales of Gaussian 3 is not finite"):
        predictor.predict(noise())


def test_the_published_sizes_are_the_defaults() -> None:
    assert PUBLISHED_POINTS.points_widths[-1] == 3 * DecoderSizes().gaussians == 3 * 10144


def test_the_public_loader_takes_the_options_by_name(tmp_path: Path) -> None:
    write_made_up(tmp_path, 1, SMALL_DECODER, SMALL_POINTS)
    np.save(tmp_path / "e.npy", np.ones(512, np.float32))
    predictor = load_predictor(
        "fastavatar", "cpu", cache_dir=tmp_path, seed=3, embedding=tmp_path / "e.npy", crop="none"
    )
    assert predictor.predict(noise()).provenance.seed == 3
    with pytest.raises(TypeError, match="colour"):
        load_predictor("fastavatar", "cpu", colour="red")
