import json
from pathlib import Path

import pytest

from fastavatar.app.cli.main import run
from fastavatar.formats.splats.ply import write_ply
from tests.synthetic_capture import make_head, write_capture


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("to_refine")
    write_capture(path)
    return path


def _flags(folder: Path, results: Path, *more: str) -> list[str]:
    base = ["refine", "--capture", str(folder), "--device", "cpu", "--output_dir", str(results)]
    return [*base, "--input", "1", "--input", "2", *more]


def test_refined_results_can_be_refined_again(folder: Path, tmp_path: Path) -> None:
    assert run(_flags(folder, tmp_path / "a", "--iterations", "4", "--frame", "head")) == 0
    summary = json.loads((tmp_path / "a" / "summary.json").read_text())
    assert summary["refinement"]["iterations"] == 4 and summary["model"] == "direct"
    assert summary["refinement"]["views"] == ["00000_01", "00000_02"]
    again = _flags(folder, tmp_path / "b", "--iterations", "2", "--start", str(tmp_path / "a" / "splats.ply"))
    assert run(again) == 0
    assert (
        json.loads((tmp_path / "b" / "summary.json").read_text())["num_gaussians"] == summary["num_gaussians"]
    )


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (["--input", "9"], 2),
        (["--config", "magic"], 2),
        (["--device", "cuda:99"], 6),
        (["--start", "gone.ply"], 4),
        (["--iterations", "0"], 2),
    ],
)
def test_errors_end_with_their_exit_code(folder: Path, tmp_path: Path, more: list[str], code: int) -> None:
    assert run(_flags(folder, tmp_path / "none", *more)) == code
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_the_start_is_never_overwritten(
    folder: Path, tmp_path: Path, force: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    start = tmp_path / "splats.ply"
    write_ply(make_head(), start, "head")
    before = start.read_bytes()
    assert run(_flags(folder, tmp_path, "--start", str(start), *force)) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"error: the output {start} would overwrite an input")
    assert start.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["splats.ply"]


def test_force_replaces_only_files_of_this_program(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "preview.png").mkdir()
    (tmp_path / "preview.png" / "thesis.docx").write_text("three years of work")
    assert run(_flags(folder, tmp_path)) == 7
    assert "choose another folder or allow overwriting with --force" in capsys.readouterr().err
    assert run(_flags(folder, tmp_path, "--force")) == 7
    assert "holds preview.png, not written by this program" in capsys.readouterr().err
    assert (tmp_path / "preview.png" / "thesis.docx").read_text() == "three years of work"


def test_a_capture_without_points_needs_a_start(tmp_path: Path) -> None:
    write_capture(tmp_path / "bare", points=False)
    assert run(_flags(tmp_path / "bare", tmp_path / "none")) == 4


def test_guided_is_a_method_of_evaluate(folder: Path, tmp_path: Path) -> None:
    flags = ["--method", "guided", "--input", "2", "--iterations", "20", "--json", str(tmp_path / "out.json")]
    assert run(["evaluate", "--capture", str(folder), "--device", "cpu", *flags]) == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["method"] == "guided" and found["iterations"] == 20 and found["mean"]["psnr"] > 17.5


def test_a_capture_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_capture(tmp_path)
    content = json.loads((tmp_path / "transforms.json").read_text())
    view = tmp_path / "images" / "preview.png"
    (tmp_path / content["frames"][0]["file_path"]).rename(view)
    content["frames"][0]["file_path"] = "images/preview.png"
    (tmp_path / "transforms.json").write_text(json.dumps(content))
    before = view.read_bytes()
    assert run(_flags(tmp_path, tmp_path / "images", "--iterations", "1", "--force")) == 2
    assert "preview.png would overwrite an input" in capsys.readouterr().err
    assert view.read_bytes() == before
