"""`fastavatar train`: the command itself, from folders of captures to a model that the next command takes."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fastavatar.app.cli.main import run
from fastavatar.train.settings import settings_text
from tests.train.stand_ins import SETTINGS, write_people
from tests.train.test_run import wait_for


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_people(tmp_path_factory.mktemp("data") / "people", 3)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "mine.yaml"
    path.write_text(settings_text(SETTINGS), "utf-8")
    return path


def decoder(data: Path, config: Path, output: Path, *more: str) -> list[str]:
    return ["train", "decoder", "--data", str(data), "--config", str(config), "--output", str(output), *more]


def test_ctrl_c_ends_with_130_and_the_run_goes_on(data: Path, config: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    command = [sys.executable, "-m", "fastavatar", *decoder(data, config, output, "--threads", "1")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for(output / "log.jsonl", lines=4)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130 and "--resume" in said
    done = json.loads((output / "summary.json").read_text())["steps"]
    assert run(decoder(data, config, output, "--resume", "--steps", "1")) == 0  # it is beyond that
    assert json.loads((output / "summary.json").read_text())["steps"] == done >= 4


def test_a_check_says_that_it_would_run(
    data: Path, config: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert run(decoder(data, config, tmp_path / "run", "--check")) == 0
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (["--config", "none"], 2),
        (["--steps", "0"], 2),
        (["--device", "cuda:9"], 6),
        (["--template", "no.ply"], 4),
    ],
)
def test_wrong_choices_end_with_their_code(
    more: list[str], code: int, data: Path, config: Path, tmp_path: Path
) -> None:
    assert run(decoder(data, config, tmp_path / "run", *more)) == code
    assert not (tmp_path / "run").exists()


def test_no_folder_of_captures_is_wrong_input(config: Path, tmp_path: Path) -> None:
    assert run(decoder(tmp_path / "none", config, tmp_path / "run")) == 4
    assert not (tmp_path / "run").exists()
