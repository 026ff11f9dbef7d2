"""The networks can be trained: they start as the published training did, and loaded ones take gradients."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from fastavatar.core import Gaussians
from fastavatar.models.published.decoder import ConditionalDecoder, load_decoder
from fastavatar.models.published.dinov2 import Dinov2, Dinov2Sizes
from fastavatar.models.published.folding import fold
from fastavatar.models.published.identity_encoder import (
    PUBLISHED_WIDTHS,
    IdentityEncoder,
    load_identity_encoder,
)
from fastavatar.models.published.layers import built_without_numbers
from fastavatar.models.published.made_up import layout, numbers
from fastavatar.models.published.point_predictor import PointPredictor, load_point_predictor
from tests.models.published.small import SMALL_DECODER, SMALL_DINO, SMALL_POINTS

STATES = [numbers(shapes, 1) for shapes in layout(SMALL_DECODER, SMALL_POINTS)]
NEW: list[Callable[[], nn.Module]] = [
    lambda: IdentityEncoder(PUBLISHED_WIDTHS),
    lambda: ConditionalDecoder(SMALL_DECODER),
    lambda: PointPredictor(SMALL_POINTS),
]
LOADERS: list[Callable[..., nn.Module]] = [load_identity_encoder, load_decoder, load_point_predictor]


def inputs(network: nn.Module) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    if isinstance(network, PointPredictor):
        return torch.randn(4, 3, 224, 224, generator=generator)
    return torch.randn(1 if isinstance(network, ConditionalDecoder) else 8, 512, generator=generator)


def first(output: Tensor | tuple[Tensor, ...]) -> Tensor:
    return output if isinstance(output, Tensor) else output[0]


@pytest.mark.parametrize("build", NEW)
def test_a_new_network_is_finite_repeatable_and_of_the_loaded_layout(build: Callable[[], nn.Module]) -> None:
    torch.manual_seed(5)
    network = build()
    torch.manual_seed(5)
    again = build()
    for (name, value), other in zip(network.state_dict().items(), again.state_dict().values(), strict=True):
        assert value.isfinite().all() and torch.equal(value, other), name
    shell = built_without_numbers(build).state_dict()
    assert {name: value.shape for name, value in shell.items()} == {
        name: value.shape for name, value in network.state_dict().items()
    }
    assert all(value.is_meta for value in shell.values())
    network.eval()
    assert first(network(inputs(network))).isfinite().all()


def test_starting_values_are_those_of_the_published_training() -> None:
    torch.manual_seed(0)
    encoder = IdentityEncoder(PUBLISHED_WIDTHS)
    weight = encoder.projector[0].weight
    assert isinstance(weight, Tensor)
    bound = (6 / (512 + 1024)) ** 0.5  # Glorot and Bengio 2010, equation 16
    assert 0.99 * bound < float(weight.detach().abs().max()) <= bound
    assert encoder.temperature.item() == 1
    decoder = ConditionalDecoder(SMALL_DECODER)
    hidden = decoder.linears("shared_body")[0]
    assert hidden.weight.std().item() == pytest.approx(0.02 * (2 / (520 + 16)) ** 0.5, rel=0.05)
    assert not hidden.bias.any()
    assert decoder.gaussian_embeddings.weight.std().item() == pytest.approx(0.02, rel=0.2)
    dinov2 = Dinov2(Dinov2Sizes(width=64, depth=1, hidden=32))
    assert dinov2.pos_embed.std().item() == pytest.approx(0.02, rel=0.05)
    factors = dict(dinov2.named_parameters())["blocks.0.ls1.gamma"]
    assert torch.equal(factors, torch.full((64,), 1e-5))


def test_a_new_decoder_starts_at_the_mean_head() -> None:
    torch.manual_seed(0)
    count = SMALL_DECODER.gaussians
    draw = torch.randn(count, 3), torch.randn(count, 4), torch.randn(count, 3), torch.randn(count)
    mean_head = Gaussians(*draw, sh=torch.randn(count, SMALL_DECODER.sh_coefficients, 3))
    decoder = ConditionalDecoder(SMALL_DECODER)
    decoder.start_from(mean_head)
    found = decoder.assemble(decoder(torch.randn(1, 512)), decoder.mean_head_points)
    for name, value in mean_head.tensors().items():
        torch.testing.assert_close(found.tensors()[name].detach(), value, atol=1e-4, rtol=0)
    places = decoder.gaussian_embeddings.weight[:, :3]
    assert places.min().item() == 0 and places.max().item() == 1
    assert int(places[:, 0].argmax()) == int(mean_head.means[:, 0].argmax())


@pytest.mark.parametrize(
    ("network", "share"), [(IdentityEncoder(PUBLISHED_WIDTHS), 0.2), (PointPredictor(SMALL_POINTS), 0.1)]
)
def test_dropout_works_in_training_and_only_there(network: nn.Module, share: float) -> None:
    places = [layer for layer in network.modules() if isinstance(layer, nn.Dropout)]
    assert places and all(layer.p == share for layer in places)
    network.train()
    ones = torch.ones(100_000)
    assert float((places[0](ones) == 0).float().mean()) == pytest.approx(share, abs=0.01)
    network.eval()
    assert torch.equal(places[0](ones), ones)
    x = inputs(network)
    assert torch.equal(first(network(x)), first(network(x)))
    network.train()
    assert not torch.equal(first(network(x)), first(network(x)))


@pytest.mark.parametrize(("load", "state"), [*zip(LOADERS, STATES, strict=True)])
def test_a_loaded_network_can_be_trained_and_leaves_the_file_alone(
    load: Callable[..., nn.Module], state: dict[str, Tensor]
) -> None:
    given = copy.deepcopy(state)
    network = load(state, "file.pth")
    assert not network.training and all(value.requires_grad for value in network.parameters())
    network.train()
    x = inputs(network)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(8):  # a second backward pass fails where something of the first is kept
        optimiser.zero_grad()
        loss = first(network(x)).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    assert all(torch.equal(value, given[name]) for name, value in state.items())


def test_every_parameter_of_the_backbone_but_the_unread_ones_gets_a_gradient() -> None:
    network = PointPredictor(SMALL_POINTS).train()
    points, poses = network(inputs(network))
    names, values = zip(*network.named_parameters(), strict=True)
    loss = points.square().sum() + poses.square().sum()
    gradients = torch.autograd.grad(loss, values, allow_unused=True)
    without = {name for name, gradient in zip(names, gradients, strict=True) if gradient is None}
    assert without == {"dino.mask_token"}


@pytest.mark.parametrize(("load", "state"), [*zip(LOADERS, STATES, strict=True)])
def test_a_frozen_network_takes_no_gradients_and_no_memory_of_its_own(
    load: Callable[..., nn.Module], state: dict[str, Tensor]
) -> None:
    network = load(state, "file.pth", frozen=True)
    assert not network.training and not any(value.requires_grad for value in network.parameters())
    memory = {value.data_ptr() for value in state.values()}
    assert all(value.data_ptr() in memory for value in network.parameters())


def test_tied_parameters_of_a_file_are_trained_apart() -> None:
    state = dict(STATES[1])
    state["base_scales"] = state["splats.scales"]
    decoder = load_decoder(state, "file.pth")
    assert decoder.base_scales.data_ptr() != decoder.splats["scales"].data_ptr()


def test_the_folded_decoder_gives_trainable_parameters_the_plain_ones_gradients() -> None:
    decoder = load_decoder(STATES[1], "file.pth")
    w = torch.randn(1, 512, generator=torch.Generator().manual_seed(1))
    weight = decoder.linears("shared_body")[1].weight
    fast, plain = (
        torch.autograd.grad(heads(w).square().sum(), weight)[0] for heads in (fold(decoder).heads, decoder)
    )
    torch.testing.assert_close(fast, plain, atol=1e-4, rtol=1e-4)


def test_positions_are_resized_again_when_they_are_trained() -> None:
    dinov2 = Dinov2(SMALL_DINO)
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        before = dinov2.embed(images)
        dinov2.pos_embed.add_(1)
        torch.testing.assert_close(dinov2.embed(images), before + 1)
