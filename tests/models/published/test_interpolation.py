import torch

from fastavatar.models.published.decoder import load_decoder
from fastavatar.models.published.folding import FoldedDecoder, fold
from fastavatar.models.published.latent import End, interpolate
from fastavatar.models.published.made_up import layout, numbers
from tests.models.published.small import POINTS, SMALL_DECODER, SMALL_POINTS


def decoder() -> FoldedDecoder:
    return fold(load_decoder(numbers(layout(SMALL_DECODER, SMALL_POINTS)[1], 3), "decoder"))


def test_a_walk_begins_at_one_person_ends_at_the_other_and_passes_between() -> None:
    folded = decoder()
    a, b = (End(torch.randn(1, 512), torch.rand(POINTS, 3)) for _ in range(2))
    heads = list(interpolate(folded, a, b, 5))
    assert len(heads) == 5
    assert a.points is not None and b.points is not None
    for end, head in ((a, heads[0]), (b, heads[-1])):
        torch.testing.assert_close(head.means, folded.decode(end.w, end.points).means)  # type: ignore[arg-type]
    middle = folded.decode((a.w + b.w) / 2, (a.points + b.points) / 2)
    torch.testing.assert_close(heads[2].means, middle.means)
    torch.testing.assert_close(heads[2].sh, middle.sh)


def test_a_w_without_points_is_decoded_at_the_mean_head() -> None:
    folded = decoder()
    w = torch.randn(1, 512)
    (first, _) = interpolate(folded, End(w), End(w), 2)
    expected = folded.decode(w, folded.decoder.splats["means"])
    torch.testing.assert_close(first.means, expected.means)
