"""What a network says about its training survives both formats, and hostile statements do no harm."""

from pathlib import Path

import pytest
import torch

from fastavatar.weights.checkpoint import read_checkpoint, write_safetensors, write_trained
from fastavatar.weights.origin import Origin, origin_from

ORIGIN = Origin("48 people, 336 views of people", "free for any use", "mine.onnx", "0.6 l1")


def test_both_formats_state_the_origin(tmp_path: Path) -> None:
    path, safe = tmp_path / "a.pth", tmp_path / "a.safetensors"
    write_trained({"w": torch.ones(2)}, ORIGIN, "model_dict", path)
    found = read_checkpoint(path)
    assert found.origin == ORIGIN and found.made_up is None and torch.equal(found.state["w"], torch.ones(2))
    write_safetensors(found, safe)
    assert read_checkpoint(safe).origin == ORIGIN
    assert ORIGIN.for_summary()["recogniser"] == "mine.onnx"
    assert "loss" not in Origin("data", "terms").for_summary()


@pytest.mark.parametrize(
    "text", [None, 3, "", "no json", "[1]", '{"data": 3}', "[" * 5000, '{"data": "' + "x" * 20_000 + '"}']
)
def test_what_is_no_statement_counts_as_none(text: object) -> None:
    assert origin_from(text) is None


def test_a_statement_becomes_one_line() -> None:
    found = origin_from(Origin("a\nb", "\x1b[31mred").text())
    assert found is not None and found.data.isprintable() and found.terms.isprintable()
