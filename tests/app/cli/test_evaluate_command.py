import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from fastavatar.app.cli.evaluate import METHODS, command, parse_inputs, sheet_name
from fastavatar.app.cli.main import run
from fastavatar.captures import read_capture
from fastavatar.errors import UsageError
from fastavatar.evaluation import METHODS as KNOWN
from tests.synthetic_capture import write_capture


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("commanded")
    write_capture(path)
    return path


def test_evaluate_prints_a_table_and_writes_the_same_figures(folder: Path, tmp_path: Path) -> None:
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
def test_errors_end_with_their_exit_code(folder: Path, flags: list[str], code: int) -> None:
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


def _evaluate(folder: Path, *more: object) -> int:
    flags = ["evaluate", "--capture", str(folder), "--method", "white", "--input", "1", "--device", "cpu"]
    return run([*flags, *map(str, more)])


def test_existing_files_are_replaced_only_with_force(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures, sheet = tmp_path / "out.json", tmp_path / f"{folder.name}_white_01.png"
    for path, flags in ((figures, ["--json", figures]), (sheet, ["--images", tmp_path])):
        path.write_text("mine")
        assert _evaluate(folder, *flags) == 7
        said = capsys.readouterr()
        assert said.out == ""  # before anything is computed
        assert f"error: {path} exists: use --force to replace it\n" in said.err
        assert path.read_text() == "mine"
        assert _evaluate(folder, *flags, "--force") == 0
        capsys.readouterr()
        assert path.read_bytes() != b"mine"
    assert json.loads(figures.read_text())["method"] == "white"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([figures.name, sheet.name])


def test_a_place_that_cannot_be_written_is_found_before_the_work(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder.json").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link.json").symlink_to(tmp_path / "file")
    (tmp_path / "hard.json").hardlink_to(folder / "transforms.json")
    cases: list[tuple[list[object], int, str]] = [
        (["--json", tmp_path / "folder.json"], 7, "is a folder, which is never replaced"),
        (["--json", tmp_path / "file" / "out.json"], 2, "is a file"),
        (["--images", tmp_path / "file"], 2, "is a file"),
        (["--json", tmp_path / "pipe"], 7, "is a pipe, a device or a socket, which is never replaced"),
        (["--json", tmp_path / "pipe", "--force"], 7, "which is never replaced"),
        (["--json", tmp_path / "link.json"], 7, "exists: use --force"),
        (["--json", folder / "transforms.json", "--force"], 2, "would overwrite an input"),
        (["--json", tmp_path / "hard.json", "--force"], 2, "would overwrite an input"),
        (["--json", folder / "images" / "00000_00.png", "--force"], 2, "would overwrite an input"),
    ]
    for flags, code, said in cases:
        assert _evaluate(folder, *flags) == code, flags
        shown = capsys.readouterr()
        (line,) = [text for text in shown.err.splitlines() if text.startswith("error: ")]
        assert said in line and shown.out == ""
    assert (tmp_path / "file").read_text() == "mine"


def test_many_inputs_have_a_short_name(tmp_path: Path) -> None:
    write_capture(tmp_path / "capture")
    capture = read_capture(tmp_path / "capture")
    wide = replace(capture, views=[capture.views[0]] * 500)
    assert sheet_name(wide, "input", range(300)) == "capture_input_300_views.png"
    assert sheet_name(wide, "input", (3, 12)) == "capture_input_03-12.png"
    assert sheet_name(wide, "input", range(500)) == "capture_input_all.png"


def test_a_time_step_is_evaluated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_capture(tmp_path)
    content = json.loads((tmp_path / "transforms.json").read_text())
    for index, frame in enumerate(content["frames"]):
        frame["timestep_index"] = index // 3
    (tmp_path / "transforms.json").write_text(json.dumps(content))
    assert _evaluate(tmp_path, "--timestep", 1) == 0
    shown = capsys.readouterr().out
    assert "00000_03" in shown and "00000_04 *" in shown and "00000_00" not in shown
    assert _evaluate(tmp_path, "--timestep", 2) == 2
    assert "has no time step 2: its time steps are 0 to 1" in capsys.readouterr().err


def test_a_json_file_is_a_capture(folder: Path, tmp_path: Path) -> None:
    assert _evaluate(folder / "transforms.json", "--json", tmp_path / "out.json") == 0
    assert json.loads((tmp_path / "out.json").read_text())["capture"] == folder.name
