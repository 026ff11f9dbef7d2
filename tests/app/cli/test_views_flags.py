from pathlib import Path

import pytest
import torch

from fastavatar.app.cli.main import run
from fastavatar.errors import UsageError
from fastavatar.evaluation import METHODS, Options
from fastavatar.models.choice import choose_model
from tests.portraits import PORTRAIT

PREDICT = ("predict", "--image", str(PORTRAIT), "--output_dir")


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    assert run(arguments) == code
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_flags_that_contradict_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, file = str(tmp_path / "out"), str(tmp_path / "views.pth")
    assert "train views" in refused(capsys, *PREDICT, out, "--model", "views")
    said = refused(capsys, *PREDICT, out, "--model", "facemesh", "--views_checkpoint", file)
    assert "does not take --views_checkpoint" in said
    said = refused(capsys, *PREDICT, out, "--surface_checkpoint", file, "--views_checkpoint", file)
    assert "give one" in said
    assert not (tmp_path / "out").exists()


def test_a_file_of_another_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"model_state_dict": {"a": torch.zeros(2)}}, tmp_path / "other.pth")
    arguments = (*PREDICT, str(tmp_path / "out"), "--views_checkpoint", str(tmp_path / "other.pth"))
    assert run(arguments) == 5
    assert "no checkpoint of the model views" in capsys.readouterr().err


def test_a_checkpoint_chooses_the_model() -> None:
    assert choose_model("auto", None, {}, None, Path("views.pth")) == ("views", "given its checkpoint")


def test_the_method_needs_a_checkpoint() -> None:
    with pytest.raises(UsageError, match="train views"):
        METHODS["views"](None, [0], Options())  # type: ignore[arg-type]
