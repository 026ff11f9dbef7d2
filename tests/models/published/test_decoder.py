import pytest
import torch
from torch import Tensor

from fastavatar.models.published.decoder import ConditionalDecoder, DecoderSizes, load_decoder
from fastavatar.models.published.folding import fold
from fastavatar.models.published.made_up import layout, numbers
from tests.models.published.small import SMALL_DECODER, SMALL_POINTS


def decoder_of(sizes: DecoderSizes, seed: int = 3) -> ConditionalDecoder:
    return load_decoder(numbers(layout(sizes, SMALL_POINTS)[1], seed), "decoder")


def w_vector(seed: int = 0) -> Tensor:
    return torch.randn(1, 512, generator=torch.Generator().manual_seed(seed))


# More Gaussians than go through the layers at once, and every SH degree.
@pytest.mark.parametrize(
    "sizes",
    [
        SMALL_DECODER,
        *(
            DecoderSizes(gaussians=2500, sh_coefficients=k, body=(544, 24, 24, 24), head=20)
            for k in (1, 4, 9, 16)
        ),
    ],
)
def test_the_fast_way_equals_the_plain_way(sizes: DecoderSizes) -> None:
    decoder = decoder_of(sizes)
    folded, w = fold(decoder), w_vector()
    torch.testing.assert_close(folded.heads(w), decoder(w), atol=2e-6, rtol=1e-5)
    points = torch.rand(sizes.gaussians, 3)
    assert folded.decode(w, points).sh.shape == (sizes.gaussians, sizes.sh_coefficients, 3)


def test_bfloat16_stays_close() -> None:
    decoder = decoder_of(SMALL_DECODER)
    w = w_vector()
    torch.testing.assert_close(fold(decoder, torch.bfloat16).heads(w), decoder(w), atol=0.05, rtol=0)


def test_each_head_changes_the_parameter_it_is_named_for() -> None:
    decoder = decoder_of(SMALL_DECODER)
    points = torch.rand(SMALL_DECODER.gaussians, 3)
    still = decoder.assemble(torch.zeros(len(points), 3 + 4 + 12 + 1 + 3), points)
    assert torch.equal(still.means, points)
    assert torch.equal(still.log_scales, decoder.base_scales)
    assert torch.equal(still.quats_wxyz, decoder.base_rotations)
    assert torch.equal(still.opacity_logits, decoder.base_opacity)
    assert torch.equal(still.sh, torch.cat([decoder.base_sh0, decoder.base_shN], 1))


def test_no_gaussian_moves_further_than_a_tenth_of_a_metre() -> None:
    decoder = decoder_of(SMALL_DECODER)
    points = torch.zeros(SMALL_DECODER.gaussians, 3)
    heads = torch.full((len(points), 3 + 4 + 12 + 1 + 3), 100.0)
    torch.testing.assert_close(decoder.assemble(heads, points).means, torch.full_like(points, 0.1))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_neither_the_numbers_nor_torchs_setting(threads: int) -> None:
    folded = fold(decoder_of(DecoderSizes(gaussians=2500, body=(544, 24, 24), head=20)))
    w, before = w_vector(), torch.get_num_threads()
    expected = folded.decoder(w)
    try:
        torch.set_num_threads(threads)
        torch.testing.assert_close(folded.heads(w), expected, atol=2e-6, rtol=1e-5)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_gradients_reach_w_through_the_fast_way() -> None:
    decoder = decoder_of(DecoderSizes(gaussians=1500, body=(544, 24, 24), head=20))
    w = w_vector().requires_grad_()
    fast, plain = (
        torch.autograd.grad(heads(w).square().sum(), w)[0] for heads in (fold(decoder).heads, decoder)
    )
    # a unit that is exactly at zero may fall on either side, so not number by number
    assert float((fast - plain).norm() / plain.norm()) < 1e-3
