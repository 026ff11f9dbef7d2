import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from fastavatar.models.published.dinov2 import Dinov2, Dinov2Sizes, resize_positions, sizes_of
from fastavatar.models.published.layers import load_strictly
from fastavatar.models.published.made_up import numbers
from tests.models.published.small import SMALL_DINO

BACKBONES = [
    SMALL_DINO,
    Dinov2Sizes(width=64, depth=3, hidden=256, positions=1 + 8 * 8),
    Dinov2Sizes(width=64, depth=2, hidden=48),
]


def shapes_of(sizes: Dinov2Sizes) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {name: tuple(value.shape) for name, value in Dinov2(sizes).state_dict().items()}


def network(sizes: Dinov2Sizes, dtype: torch.dtype = torch.float32) -> Dinov2:
    dinov2 = Dinov2(sizes)
    load_strictly(dinov2, numbers(shapes_of(sizes), 5), "backbone", "test", frozen=True)
    dinov2.compute_in(dtype)
    return dinov2


def images(count: int = 1) -> Tensor:
    return torch.randn(count, 3, 224, 224, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("sizes", BACKBONES)
def test_sizes_are_read_off_the_names_and_shapes(sizes: Dinov2Sizes) -> None:
    assert sizes_of(shapes_of(sizes)) == sizes


@pytest.mark.parametrize(("width", "depth", "hidden"), [(384, 12, 1536), (1024, 24, 4096)])
def test_published_backbones_are_recognised(width: int, depth: int, hidden: int) -> None:
    sizes = Dinov2Sizes(width, depth, hidden)
    assert sizes_of(shapes_of(sizes)) == sizes


@pytest.mark.parametrize("sizes", BACKBONES)
def test_the_last_block_for_the_class_token_alone_changes_nothing(sizes: Dinov2Sizes) -> None:
    dinov2 = network(sizes)
    tokens = dinov2.embed(images())
    for block in dinov2.blocks:
        tokens = block(tokens)
    torch.testing.assert_close(dinov2(images()), dinov2.norm(tokens)[:, 0], atol=1e-5, rtol=1e-5)


def test_a_block_is_what_its_definition_says() -> None:
    block = network(SMALL_DINO).blocks[0]
    weights = dict(block.named_parameters())

    def linear(name: str, x: Tensor) -> Tensor:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(name: str, x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        unit = centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        return unit * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    tokens = torch.randn(1, 10, 128, generator=torch.Generator().manual_seed(2))
    q, k, v = linear("attn.qkv", norm("norm1", tokens[0])).chunk(3, -1)
    heads = [slice(0, 64), slice(64, 128)]
    attended = torch.cat([torch.softmax(q[:, h] @ k[:, h].T / 8, -1) @ v[:, h] for h in heads], -1)
    middle = tokens[0] + weights["ls1.gamma"] * linear("attn.proj", attended)
    hidden = F.gelu(linear("mlp.fc1", norm("norm2", middle)))
    expected = middle + weights["ls2.gamma"] * linear("mlp.fc2", hidden)
    torch.testing.assert_close(block(tokens)[0], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("sizes", BACKBONES)
def test_photos_of_a_batch_do_not_touch_each_other(sizes: Dinov2Sizes) -> None:
    dinov2, both = network(sizes), images(2)
    together = dinov2(both)
    torch.testing.assert_close(
        together, torch.cat([dinov2(both[:1]), dinov2(both[1:])]), atol=1e-5, rtol=1e-5
    )


def test_bfloat16_stays_close_and_keeps_sums_in_float32() -> None:
    found = network(SMALL_DINO, torch.bfloat16)(images())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, network(SMALL_DINO)(images()), atol=0.1, rtol=0)


def test_a_table_of_the_right_size_is_left_alone() -> None:
    table = torch.randn(1, 1 + 16 * 16, 8)
    assert resize_positions(table, 16) is table


@given(st.integers(5, 20), st.integers(5, 40))
@settings(max_examples=20, deadline=None)
def test_resizing_keeps_the_class_row_and_constants(side: int, trained: int) -> None:
    table = torch.full((1, 1 + trained * trained, 2), 0.5)
    table[:, 0] = 3
    resized = resize_positions(table, side)
    assert resized.shape == (1, 1 + side * side, 2)
    assert torch.equal(resized[:, 0], table[:, 0])
    torch.testing.assert_close(resized[:, 1:], torch.full((1, side * side, 2), 0.5))
