import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from fastavatar.app.cli.evaluate import METHODS, command, parse_inputs
from fastavatar.app.cli.main import run
from fastavatar.errors import UsageError
from fastavatar.evaluation import METHODS as KNOWN
from tests.synthetic_capture import write_capture


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("commanded")
    write_capture(path)
    return path


def test_it_prints_a_table_and_writes_the_same(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "out.json"
    flags = ["--capture", str(folder), "--method", "white", "--input", "1", "--input", "3"]
    result = CliRunner().invoke(command, [*flags, "--json", str(target), "--images", str(tmp_path)])
    assert result.exit_code == 0, result.output
    written = json.loads(target.read_text())
    assert written["inputs"] == [1, 3]
    assert written["device"] in ("cpu", "cuda")  # of --device auto
    assert f"{written['mean']['psnr']:.2f}" in result.output and "00000_03 *" in result.output
    assert (tmp_path / f"{folder.name}_white_01-03.png").is_file()


def test_metric_only_writes_no_image(folder: Path, tmp_path: Path) -> None:
    flags = ["--capture", str(folder), "--method", "input", "--input", "all", "--metric_only"]
    result = CliRunner().invoke(command, [*flags, "--images", str(tmp_path / "none")])
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (["--input", "9"], 2),
        (["--input", "front"], 2),
        (["--input", "0", "--device", "cuda:99"], 6),
        (["--input", "0", "--method", "magic"], 2),
    ],
)
def test_errors_leave_with_their_exit_code(folder: Path, flags: list[str], code: int) -> None:
    assert run(["evaluate", "--capture", str(folder), "--method", "white", *flags]) == code


def test_a_missing_capture_is_unreadable_input(tmp_path: Path) -> None:
    flags = ["evaluate", "--capture", str(tmp_path / "gone"), "--method", "white", "--input", "0"]
    assert run(flags) == 4


def test_inputs_are_numbers_or_all() -> None:
    assert parse_inputs(("8", "0"), 16) == (8, 0)
    assert parse_inputs(("3", "all"), 4) == (0, 1, 2, 3)
    with pytest.raises(UsageError, match="'front'"):
        parse_inputs(("front",), 4)


def test_the_command_offers_every_method() -> None:
    assert set(METHODS) == set(KNOWN)
