import hashlib
from pathlib import Path

import pytest
import torch

from fastavatar.models.published.decoder import DecoderSizes
from fastavatar.models.published.made_up import PUBLISHED_POINTS, layout, numbers, write_made_up
from fastavatar.weights.checkpoint import read_checkpoint
from tests.models.published.small import SMALL_DECODER, SMALL_POINTS

# Of the published checkpoints' layouts: how many tensors, and SHA-256 of sorted lines `name shape`.
PUBLISHED = [
    (24, "1b17bd4f053b10da"),
    (44, "81145ae51972e647"),
    (205, "877eb0f59422ab89"),
]


def test_the_layout_is_the_published_one() -> None:
    found = [
        (len(shapes), digest("\n".join(sorted(f"{name} {list(shape)}" for name, shape in shapes.items()))))
        for shapes in layout(DecoderSizes(), PUBLISHED_POINTS)
    ]
    assert found == PUBLISHED


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def test_numbers_depend_on_name_shape_and_seed_alone() -> None:
    shapes = {"a.weight": (4, 3), "b.weight": (4, 3)}
    first = numbers(shapes, 1)
    assert torch.equal(first["b.weight"], numbers({"b.weight": (4, 3)}, 1)["b.weight"])
    assert not torch.equal(first["a.weight"], first["b.weight"])
    assert not torch.equal(first["a.weight"], numbers(shapes, 2)["a.weight"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0.98525721),
        ("x.weight", -1.3819983),
        ("norm.weight", 0.9951489),
        ("norm.running_var", 1.0428039),
        ("ls1.gamma", 0.47836718),
        ("splats.means", 0.11174913),
        ("base_scales", -0.059908647),
        ("learn_mean_shape", 0.14182156),
        ("pos_embed", -0.16009083),
        ("x.bias", -0.12676729),
        ("x.num_batches_tracked", 0),
    ],
)
def test_the_streams_are_those_of_the_parity_figures(name: str, value: float) -> None:
    shape = () if name == "temperature" else (4, 3) if name == "x.weight" else (4,)
    assert float(numbers({name: shape}, 1)[name].reshape(-1)[-1]) == pytest.approx(value, rel=1e-6)


def test_every_file_is_marked_and_the_same_seed_gives_the_same_file(tmp_path: Path) -> None:
    once = write_made_up(tmp_path / "a", 7, SMALL_DECODER, SMALL_POINTS)
    again = write_made_up(tmp_path / "b", 7, SMALL_DECODER, SMALL_POINTS)
    for path, other in zip(once.paths(), again.paths(), strict=True):
        checkpoint = read_checkpoint(path)
        assert checkpoint.made_up is not None and "seed 7" in checkpoint.made_up
        assert all(
            torch.equal(value, read_checkpoint(other).state[name]) for name, value in checkpoint.state.items()
        )
