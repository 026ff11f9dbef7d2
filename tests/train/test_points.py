import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from fastavatar.app.cli.train import command
from fastavatar.captures import View
from fastavatar.errors import InputError, WeightsError
from fastavatar.models.published.dinov2 import Dinov2
from fastavatar.models.published.made_up import write_made_up
from fastavatar.models.published.networks import load_networks
from fastavatar.models.published.point_predictor import load_point_predictor
from fastavatar.train.drawn import DrawnHeads
from fastavatar.train.people.folders import write_capture
from fastavatar.train.points import PointsSettings, make_points_trainee
from fastavatar.train.settings import load_settings, settings_text
from fastavatar.train.trainee import Process
from fastavatar.weights.checkpoint import read_checkpoint
from fastavatar.weights.release import Checkpoints
from tests.models.published.small import POINTS, SMALL_DECODER, SMALL_DINO, SMALL_POINTS


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Captures of ten people with one view each."""
    folder = tmp_path_factory.mktemp("people")
    heads = DrawnHeads(100, 9, 10_144)
    for number in range(10):
        write(folder / f"{number:04d}", *heads[number])
    return folder


def write(folder: Path, view: View, points: Tensor) -> None:
    rgba = torch.cat([view.image, view.mask[..., None]], -1)
    mesh = {"vertices": points.numpy(), "faces": np.array([[0, 1, 2]])}
    picture = (rgba * 255).round().byte().numpy()
    write_capture(folder, [(view.camera, picture)], points.numpy(), mesh)


def small(**changes: object) -> PointsSettings:
    """The small preset, made quick."""
    settings = load_settings(PointsSettings, "points_small")
    settings = replace(
        settings,
        pace=replace(settings.pace, batch=3, log_every=1, save_every=2, validate_every=4),
        data=replace(settings.data, points=POINTS, held_out_people=2),
        backbone=replace(settings.backbone, width=64, depth=2, hidden=64, patch=56),
        heads=(32,),
        drawn_heads=4,
        drawn_batch=2,
    )
    return replace(settings, **changes)  # type: ignore[arg-type]


def test_both_presets_are_sound_and_the_full_one_is_the_published_network() -> None:
    full, quick = (load_settings(PointsSettings, name) for name in ("points", "points_small"))
    assert (full.backbone.width, full.backbone.depth, full.backbone.patch) == (768, 12, 14)
    assert full.heads == (1024, 1024, 1024) and full.data.points == 10_144
    assert (full.loss.points, full.loss.rotation, full.loss.translation) == (1, 1, 1)
    assert full.drawn_heads == 0
    assert quick.data.points == 2_536  # as the small decoder's, so that predict takes both


def test_thirty_steps_learn_and_the_model_loads_beside_the_others(captures: Path, tmp_path: Path) -> None:
    config = tmp_path / "small.yaml"
    config.write_text(settings_text(small()))
    flags = ["points", "--data", str(captures), "--output", str(tmp_path / "run"), "--config", str(config)]
    result = CliRunner().invoke(command, [*flags, "--steps", "30", "--device", "cpu", "--threads", "1"])
    assert result.exception is None, result.output
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert len(losses) == 30 and np.mean(losses[-10:]) < 0.9 * np.mean(losses[:10])
    figures = [line["validation"] for line in lines if "validation" in line][-1]
    assert figures["points_ratio"] == pytest.approx(figures["points_mm"] / figures["mean_shape_mm"])
    assert 2 < figures["mean_shape_mm"] < 20 and figures["pose_deg"] < 40
    assert list((tmp_path / "run" / "validation").glob("*-points.png"))
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert "4 drawn heads" in summary["data"] and summary["counts"]["people"] == 8
    others = write_made_up(tmp_path / "others", 1, SMALL_DECODER, SMALL_POINTS)
    model = tmp_path / "run" / "model" / "dino_encoder.pth"
    networks = load_networks(Checkpoints(others.encoder, others.decoder, model), torch.device("cpu"))
    view, _ = DrawnHeads(60, 9, POINTS)[50]
    from fastavatar.models.published import framing

    image = framing.network_input((view.image * 255).byte().numpy())
    with torch.no_grad():
        points, pose = networks.points(image)
    # mostly the mean of the people, seen by a camera a metre or so away that looks at the head
    assert float((points[0] - DrawnHeads(60, 9, POINTS).points_of(50)).norm(dim=1).mean()) < 0.03
    assert 0.5 < float(pose[0, :3, 3].norm()) < 2


def test_a_step_gives_the_same_loss_again(captures: Path) -> None:
    losses = []
    for _ in range(2):
        trainee = make_points_trainee(([captures], []), None, small())(Process())
        torch.manual_seed(3)
        losses.append(float(trainee.loss(5).detach()))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_the_rotation_counts_by_its_angle_in_radians(captures: Path) -> None:
    settings = small(drawn_heads=0)
    trainee = make_points_trainee(([captures], []), None, settings)(Process())
    torch.manual_seed(0)
    loss = float(trainee.loss(0).detach())
    other = make_points_trainee(
        ([captures], []), None, replace(settings, loss=replace(settings.loss, rotation=0))
    )
    trainee_without = other(Process())
    torch.manual_seed(0)
    without = float(trainee_without.loss(0).detach())
    assert loss - without == pytest.approx(np.radians(trainee.figures()["pose_deg"]), rel=1e-4)


def test_a_pretrained_backbone_is_taken_with_its_sizes(captures: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    backbone = Dinov2(SMALL_DINO)
    torch.save(backbone.state_dict(), tmp_path / "dinov2.pth")
    trainee = make_points_trainee(([captures], []), tmp_path / "dinov2.pth", small())(Process())
    for name, value in trainee.predictor.dino.state_dict().items():
        torch.testing.assert_close(value, backbone.state_dict()[name])
    assert "started from dinov2.pth" in str(trainee.facts()["data"])
    trainee.export(tmp_path)
    file = read_checkpoint(tmp_path / "dino_encoder.pth")
    again = load_point_predictor(file.state, "model")
    assert again.dino.state_dict()["blocks.0.mlp.fc1.weight"].shape[0] == SMALL_DINO.hidden
    wider = make_points_trainee(([captures], []), tmp_path / "dino_encoder.pth", small(heads=(48,)))(
        Process()
    )
    torch.testing.assert_close(wider.predictor.dino.pos_embed, backbone.pos_embed)


def test_a_point_predictor_trained_before_is_trained_on_with_its_heads(
    captures: Path, tmp_path: Path
) -> None:
    first = make_points_trainee(([captures], []), None, small())(Process())
    with torch.no_grad():
        first.predictor.learn_mean_shape.add_(0.001)
    first.export(tmp_path)
    changed = small(pace=replace(small().pace, seed=5))  # which alone would start other heads
    second = make_points_trainee(([captures], []), tmp_path / "dino_encoder.pth", changed)(Process())
    for name, value in first.predictor.state_dict().items():
        torch.testing.assert_close(second.predictor.state_dict()[name], value)


def test_what_is_no_backbone_is_refused(captures: Path, tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(3)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"other\.pth does not hold the weights of the DINOv2 backbone"):
        make_points_trainee(([captures], []), tmp_path / "other.pth", small())(Process())
    with pytest.raises(WeightsError, match="there is no checkpoint"):
        make_points_trainee(([captures], []), tmp_path / "none.pth", small())(Process())


def test_impossible_settings_and_points_of_others_are_refused(captures: Path, tmp_path: Path) -> None:
    odd = small(backbone=replace(small().backbone, width=100))
    with pytest.raises(InputError, match="no multiple of 64"):
        make_points_trainee(([captures], []), None, odd)(Process())
    view, points = DrawnHeads(1, 1, 10_144)[0]
    for number in range(3):
        write(tmp_path / "data" / str(number), view, points.flip(0))
    settings = small()
    settings = replace(settings, data=replace(settings.data, held_out_people=1))
    with pytest.raises(InputError, match="points are not those of made-up people"):
        make_points_trainee(([tmp_path / "data"], []), None, settings)(Process())
    make_points_trainee(([tmp_path / "data"], []), None, replace(settings, drawn_heads=0))(Process())
