import torch

from fastavatar.train import random_recoloring


def test_white_and_coverage_stay_and_all_else_changes_as_colours_do() -> None:
    torch.manual_seed(3)
    colors = torch.rand(4, 5, 3)
    covered = torch.ones(4, 5)
    covered[0], covered[1] = 0, 0.5
    picture = torch.cat(
        [(colors * covered[..., None] + 1 - covered[..., None]).movedim(-1, 0), covered[None]]
    )
    change = random_recoloring(0.7)
    found = change.of_pictures(picture)
    assert torch.equal(found[3], covered)
    torch.testing.assert_close(found[:3, 0], torch.ones(3, 5))
    wanted = change.of_colors(colors)
    torch.testing.assert_close(found[:3, 2:], wanted[2:].movedim(-1, 0), atol=1e-5, rtol=0)
    torch.testing.assert_close(found[:3, 1], 0.5 + 0.5 * wanted[1].T, atol=1e-5, rtol=0)
    assert (
        float((wanted - colors).abs().mean()) > 0.02 and 0 <= float(wanted.min()) <= float(wanted.max()) <= 1
    )


def test_no_strength_changes_nothing_and_draws_differ() -> None:
    colors = torch.rand(50, 3) * 0.99 + 0.005
    torch.testing.assert_close(random_recoloring(0.0).of_colors(colors), colors, atol=1e-5, rtol=0)
    torch.manual_seed(0)
    first, second = (random_recoloring(0.7).of_colors(colors) for _ in range(2))
    assert not torch.allclose(first, second, atol=0.01)
    torch.manual_seed(0)
    assert torch.equal(random_recoloring(0.7).of_colors(colors), first)
