"""The identity encoder's training, and a recogniser of another kind than InsightFace's, up to `predict`."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fastavatar.core import Face
from fastavatar.errors import UsageError, WeightsError
from fastavatar.faces.mesh_recogniser import MeshRecogniser
from fastavatar.models.published.decoder import DecoderSizes
from fastavatar.models.published.loading import load
from fastavatar.models.published.made_up import write_made_up
from fastavatar.models.published.options import PublishedOptions
from fastavatar.models.published.point_predictor import PointPredictorSizes
from fastavatar.train.data import read_people
from fastavatar.train.encoder import EncoderSettings, EncoderTrainee
from fastavatar.train.run import run
from fastavatar.train.run_folder import RunSettings
from fastavatar.train.trained import read_trained_decoder
from fastavatar.train.trainee import Process
from fastavatar.weights.checkpoint import read_checkpoint
from tests.models.published.small import SMALL_DECODER, SMALL_DINO, SMALL_POINTS
from tests.portraits import portrait
from tests.train.stand_ins import DATA, PACE, POINTS, run_settings, trainee, write_people
from tests.train.test_run import losses

SIZE = 48  # of the recogniser's embeddings
SETTINGS = EncoderSettings(
    pace=replace(PACE, batch=12, learning_rates={"encoder": 3e-3}),
    data=DATA,
    hidden=(32, 24, 16),
    mse=0.1,
    cosine=1.0,
    compositing="classic",
)


class MeanColors:
    """Finds one face in every picture; its embedding is the colours of the picture's parts."""

    advice = "use any picture"

    def find(self, rgb: NDArray[np.uint8]) -> list[Face]:
        height, width = (side // 4 * 4 for side in rgb.shape[:2])
        parts = rgb[:height, :width].reshape(4, height // 4, 4, width // 4, 3).mean((1, 3)).ravel()
        return [Face(0, 1, (0, 0, 1, 1), embedding=(parts / 255 - 0.8).astype(np.float32))]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_people(tmp_path_factory.mktemp("data") / "people", 6)


@pytest.fixture(scope="module")
def decoder_run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("decoder") / "run"
    run(lambda process: trainee(data), run_settings(folder, steps=60))
    return folder


@pytest.fixture(scope="module")
def encoder_run(data: Path, decoder_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder") / "run"

    def make(process: Process) -> EncoderTrainee:
        people, trained = read_people([data], DATA), read_trained_decoder(decoder_run, "cpu")
        return EncoderTrainee(people, trained, (MeanColors(), "parts.onnx"), SETTINGS, process)

    run(make, RunSettings(folder, SETTINGS, SETTINGS.pace, steps=200))
    return folder


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX file of ArcFace's interface: means of 16 parts of the face in three channels."""
    return write_recogniser(tmp_path_factory.mktemp("recogniser") / "parts.onnx")


def write_recogniser(path: Path) -> Path:
    from onnx import TensorProto, helper, save

    pool = helper.make_node("AveragePool", ["data"], ["parts"], kernel_shape=[28, 28], strides=[28, 28])
    flat = helper.make_node("Flatten", ["parts"], ["embedding"])
    taken = helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 112, 112])
    given = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, SIZE])
    graph = helper.make_graph([pool, flat], "parts", [taken], [given])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path


def test_it_learns_w_and_shows_people_better_than_the_mean_head(encoder_run: Path) -> None:
    summary = json.loads((encoder_run / "summary.json").read_text("utf-8"))
    assert summary["recogniser"] == "parts.onnx" and summary["counts"]["faces"] == 25
    found = losses(encoder_run)
    assert sum(found[-20:]) < 0.5 * sum(found[:20])
    figures = summary["validation"]
    assert figures["psnr_people"] > figures["psnr_mean_head"]
    origin = read_checkpoint(encoder_run / "model" / "encoder_neutral_flame.safetensors").origin
    assert origin is not None and origin.recogniser == "parts.onnx"


def options(decoder_run: Path, encoder_run: Path, folder: Path) -> PublishedOptions:
    points = PointPredictorSizes(SMALL_DINO, [128, 32, 32, 3 * POINTS], [128, 32, 32, 9], residuals=True)
    sizes = DecoderSizes(gaussians=POINTS, sh_coefficients=4, embedding=8, body=(24, 24, 24), head=16)
    return PublishedOptions(
        encoder_checkpoint=encoder_run / "model" / "encoder_neutral_flame.pth",
        decoder_checkpoint=decoder_run / "model" / "decoder_neutral_flame.pth",
        dino_checkpoint=write_made_up(folder, 1, sizes, points).dino,
    )


def test_predict_takes_the_networks_with_their_recogniser(
    decoder_run: Path, encoder_run: Path, recogniser: Path, tmp_path: Path
) -> None:
    given = options(decoder_run, encoder_run, tmp_path / "made_up")
    avatar = load("cpu", replace(given, recogniser=recogniser)).predict(portrait())
    assert len(avatar.gaussians) == POINTS and avatar.face is not None
    avatar.save(tmp_path / "results")
    summary = json.loads((tmp_path / "results" / "summary.json").read_text("utf-8"))
    assert summary["trained_on"]["encoder"]["recogniser"] == "parts.onnx"
    with pytest.raises(UsageError, match="trained with the recogniser parts.onnx: give that"):
        load("cpu", given)


def test_networks_for_insightface_take_no_other_recogniser(recogniser: Path, tmp_path: Path) -> None:
    made_up = write_made_up(tmp_path, 1, SMALL_DECODER, SMALL_POINTS)
    published = PublishedOptions(
        encoder_checkpoint=made_up.encoder,
        decoder_checkpoint=made_up.decoder,
        dino_checkpoint=made_up.dino,
        recogniser=recogniser,
    )
    with pytest.raises(UsageError, match="trained with InsightFace: leave out parts.onnx"):
        load("cpu", published)


def test_only_people_whom_the_decoder_knows_have_a_w(data: Path, decoder_run: Path) -> None:
    people = read_people([data], replace(DATA, held_out_people=0))
    trained = read_trained_decoder(decoder_run, "cpu")
    with pytest.raises(UsageError, match="the decoder was not trained on people/0005"):
        EncoderTrainee(people, trained, (MeanColors(), "parts.onnx"), SETTINGS, Process())


def test_the_mesh_recogniser_sees_the_aligned_face(recogniser: Path) -> None:
    found = MeshRecogniser(recogniser).find(portrait().rgb)
    assert len(found) == 1 and found[0].embedding.shape == (SIZE,)
    red, _, blue = found[0].embedding.reshape(3, 4, 4)[:, 1:3, 1:3].mean((1, 2))
    assert red > blue + 0.05  # skin, in the order red, green, blue, of bytes brought to −1…1
    assert np.abs(found[0].embedding).max() <= 1


def without_a_file(folder: Path) -> Path:
    return folder / "none.onnx"


def no_model(folder: Path) -> Path:
    (folder / "text.onnx").write_text("no network")
    return folder / "text.onnx"


@pytest.mark.parametrize(
    ("make", "message"), [(without_a_file, "there is no file"), (no_model, "damaged or no InsightFace")]
)
def test_files_that_are_no_recogniser_are_refused(
    make: Callable[[Path], Path], message: str, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match=message):
        MeshRecogniser(make(tmp_path))


def test_embeddings_given_as_files_have_the_encoders_length(
    decoder_run: Path, encoder_run: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "e.npy", np.ones(SIZE, np.float32))
    given = options(decoder_run, encoder_run, tmp_path / "made_up")
    avatar = load("cpu", replace(given, embedding=tmp_path / "e.npy", crop="none")).predict(portrait())
    assert torch.isfinite(avatar.gaussians.means).all()
