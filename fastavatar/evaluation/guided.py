"""The method `guided`: the capture's points and cameras are given, appearance comes from the input views."""

import time
from collections.abc import Sequence

from fastavatar.captures import Capture
from fastavatar.evaluation.answers import Answer, Options


def answer_guided(capture: Capture, inputs: Sequence[int], options: Options) -> Answer:
    """Gaussians at the capture's points, refined on the input views: the paper's protocol.

    With the published networks they are feed-forward where no steps are asked for; without, discs.
    """
    from fastavatar.models.published.networks import made_up_told
    from fastavatar.refinement import load_config, refine_gaussians
    from fastavatar.refinement.guided import choose_preset, load_networks_for, start_of

    views = [capture.views[index] for index in inputs]
    preset, reason = choose_preset(options.config, capture, len(views), options.cache_dir, options.published)
    config = load_config(preset)
    networks = load_networks_for(
        config, options.device, options.cache_dir, options.offline, options.published
    )
    began = time.perf_counter()
    start = start_of(capture, views, networks)
    extra: dict[str, object] = {"config": preset, "config_reason": reason, "iterations": 0}
    gaussians = start.gaussians
    if options.iterations != 0:
        outcome = refine_gaussians(
            start.latent or gaussians,
            views,
            config,
            iterations=options.iterations,
            seed=options.seed,
            device=options.device,
        )
        gaussians = outcome.gaussians
        extra |= {
            "iterations": outcome.steps,
            "refine_seconds": round(outcome.seconds, 3),
            "loss": vars(outcome.loss.weights),
            "no_lpips": outcome.loss.no_lpips,
        }
    return Answer(
        time.perf_counter() - began,
        gaussians=gaussians,
        compositing=config.compositing,
        warnings=made_up_told(start.made_up),
        extra=extra | {"num_gaussians": len(gaussians)},
    )
