from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import fastavatar as fa
from fastavatar.captures import View, read_capture
from fastavatar.core import Avatar, Gaussians, Provenance
from fastavatar.errors import UsageError
from fastavatar.losses.metrics import psnr, ssim
from fastavatar.models.published.latent import DecoderLatent
from fastavatar.models.published.options import ShRefit
from fastavatar.models.published.sh_refit import refit_sh
from fastavatar.refinement import Config, load_config, refine_gaussians
from fastavatar.refinement.decoded import DecodedModel
from fastavatar.refinement.photo_view import photo_of_view
from fastavatar.refinement.run import RefinementFacts
from fastavatar.rendering import render
from fastavatar.rendering.reference import render_reference
from tests.models.published.small import decoder_of_a_head
from tests.synthetic_capture import make_head, write_capture

CHOICES: tuple[ShRefit, ShRefit] = ("off", "auto")
Decoded = dict[str, Tensor]


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> list[View]:
    folder = tmp_path_factory.mktemp("decoded")
    write_capture(folder)
    return list(read_capture(folder).views)


@pytest.fixture
def latent() -> DecoderLatent:
    head = make_head()
    w = torch.randn(1, 512, generator=torch.Generator().manual_seed(0))
    return DecoderLatent(decoder_of_a_head(len(head)), w, head.means)


def _avatar(latent: DecoderLatent | None, view: View) -> Avatar:
    gaussians = make_head() if latent is None else latent.gaussians()
    photo = photo_of_view(view, Path("folder"))
    made = Provenance("fastavatar", "research", 0, "cpu")
    return Avatar(gaussians, view.camera, photo, None, made, latent=latent)


def _mean_psnr(gaussians: Gaussians, views: list[View], config: Config) -> float:
    shown = [render(gaussians, view.camera, compositing=config.compositing).image for view in views]
    scores = [psnr(image.clamp(0, 1), view.image) for image, view in zip(shown, views, strict=True)]
    return float(torch.stack(scores).mean())


def _plain(latent: DecoderLatent, parameters: Decoded) -> Gaussians:
    """The published decoder as it is written down, without folding, of other parameters."""
    decoder = latent.copied("cpu").decoder
    network = {name: value for name, value in parameters.items() if name != "w"}
    heads = torch.func.functional_call(decoder, network, (parameters["w"],))
    for name in ("base_rotations", "base_scales", "base_sh0", "base_shN", "base_opacity"):
        del decoder._parameters[name]
        setattr(decoder, name, network[name])
    return decoder.assemble(heads, latent.points)


def test_every_parameter_has_its_true_gradient(latent: DecoderLatent, views: list[View]) -> None:
    model = DecodedModel(latent, load_config("published"))
    for value in model.parameters.values():
        value.requires_grad_()
    view = views[1]
    image = render(model.gaussians(), view.camera, compositing="published").image
    (image - view.image).square().sum().backward()  # type: ignore[no-untyped-call]

    free = {name: value.detach().clone().requires_grad_() for name, value in model.parameters.items()}
    slow = render_reference(_plain(latent, free), view.camera, torch.ones(3), "published").image
    (slow - view.image).square().sum().backward()  # type: ignore[no-untyped-call]
    assert {"w", "gaussian_embeddings.weight", "base_shN", "conditioning_mlp.color_head.2.bias"} <= set(free)
    for name in free:
        found, wanted = model.parameters[name].grad, free[name].grad
        assert found is not None and wanted is not None and wanted.norm() > 0, name
        assert (found - wanted).norm() < 0.01 * wanted.norm(), name


def test_published_is_what_the_script_does(latent: DecoderLatent, views: list[View]) -> None:
    config = load_config("published").overridden(iterations=6)
    view = views[2]
    outcome = refine_gaussians(latent, [view], config)

    # The script, written out: Adam as it comes, the plain decoder, W for three steps, then its MLP.
    free = {name: value.clone() for name, value in DecodedModel(latent, config).parameters.items()}
    mlp = [value for name, value in free.items() if name.startswith("conditioning_mlp")]
    for group in ([free["w"]], mlp):
        for value in group:
            value.requires_grad_()
        adam = torch.optim.Adam(group, lr=1e-4)
        for _ in range(3):
            image = render(_plain(latent, free), view.camera, compositing="published").image
            share = 1 + 0.1 / 0.9  # LPIPS' backbone is not at hand
            loss = 0.6 * (image - view.image).abs().mean() + 0.3 * (1 - ssim(image, view.image))
            adam.zero_grad()
            (share * loss).backward()  # type: ignore[no-untyped-call]
            adam.step()
        for value in group:
            value.requires_grad_(False)

    assert outcome.latent is not None and outcome.loss.no_lpips is not None
    assert torch.equal(outcome.latent.points, latent.points)
    found = {"w": outcome.latent.w, **dict(outcome.latent.decoder.named_parameters())}
    start = {"w": latent.w, **dict(latent.decoder.named_parameters())}
    for name, wanted in free.items():
        changes = name == "w" or name.startswith("conditioning_mlp")
        # where a gradient is all but zero, Adam makes much of its last digits
        assert (found[name] - wanted).abs().mean() <= 2e-6, name
        assert torch.equal(found[name], start[name]) is not changes, name


def test_appearance_keeps_the_geometry_bit_for_bit(latent: DecoderLatent, views: list[View]) -> None:
    config = load_config("appearance").overridden(iterations=4)
    outcome = refine_gaussians(latent, views[:2], config)
    before, after = latent.gaussians(), outcome.gaussians
    for name in ("means", "quats_wxyz", "log_scales", "opacity_logits"):
        assert torch.equal(getattr(before, name), getattr(after, name)), name
    assert not torch.equal(before.sh, after.sh)
    assert outcome.latent is not None and not torch.equal(outcome.latent.w, latent.w)


@pytest.mark.parametrize("preset", ["published", "appearance"])
def test_refinement_improves_views_it_never_saw(
    latent: DecoderLatent, views: list[View], preset: str
) -> None:
    config = load_config(preset).overridden(iterations=60, patience=0)
    faster = tuple(
        replace(stage, learning_rates={name: 3e-3 for name in stage.learning_rates})
        for stage in config.stages
    )
    config = replace(config, stages=faster)
    given, unseen = [views[0], views[2], views[4]], [views[1], views[3]]
    start = latent.gaussians()
    refined = refine_gaussians(latent, given, config).gaussians
    assert _mean_psnr(refined, unseen, config) > _mean_psnr(start, unseen, config) + 1.5


def test_the_latent_given_is_left_alone(latent: DecoderLatent, views: list[View]) -> None:
    before = {name: value.clone() for name, value in latent.decoder.state_dict().items()}
    w = latent.w.clone()
    refine_gaussians(latent, views[:1], load_config("published").overridden(iterations=4))
    assert torch.equal(latent.w, w)
    assert all(torch.equal(value, before[name]) for name, value in latent.decoder.state_dict().items())


def test_an_avatar_of_the_networks_is_refined_through_them(latent: DecoderLatent, views: list[View]) -> None:
    refined = fa.refine(_avatar(latent, views[2]), views[:1], iterations=4)
    facts = refined.provenance.fact(RefinementFacts)
    assert facts is not None and facts.model == "decoder"
    assert facts.loss.lpips == 0 and "LPIPS needs" in str(facts.no_lpips)
    assert refined.latent is not None
    assert torch.equal(torch.from_numpy(refined.arrays["w_vector"]), refined.latent.w)
    torch.testing.assert_close(refined.latent.gaussians().sh, refined.gaussians.sh)


def test_a_refined_avatar_has_its_colours_refitted_where_asked(
    latent: DecoderLatent, views: list[View]
) -> None:
    off, auto = (
        fa.refine(_avatar(replace(latent, sh_refit=choice), views[2]), views[:1], iterations=2)
        for choice in CHOICES
    )
    assert off.latent is not None and auto.latent is not None
    assert torch.equal(auto.gaussians.sh, refit_sh(off.gaussians.sh))
    assert not torch.equal(auto.gaussians.sh, off.gaussians.sh)
    assert torch.equal(auto.latent.gaussians().sh, off.latent.gaussians().sh)


def test_gaussians_that_left_their_latent_cannot_go_back(latent: DecoderLatent, views: list[View]) -> None:
    direct = fa.refine(_avatar(latent, views[2]), views[:1], "direct", iterations=2)
    assert direct.latent is None
    for avatar in (direct, _avatar(None, views[2])):
        with pytest.raises(UsageError, match="predict with the model fastavatar"):
            fa.refine(avatar, views[:1], "published")
