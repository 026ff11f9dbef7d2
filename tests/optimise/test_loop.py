"""The loop on an objective that has nothing to do with heads: a parabola, fitted to noisy examples."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fastavatar.errors import FastAvatarError, InputError
from fastavatar.optimise.checkpoint import CheckpointFile
from fastavatar.optimise.descent import MAX_RECOVERIES
from fastavatar.optimise.loop import Progress, RunResult, optimise
from fastavatar.optimise.plateau import Plateau, PlateauRate
from fastavatar.optimise.schedule import AdamSettings, ExampleOrder, Schedule, Stage, rate_of, stage_at

ADAM = AdamSettings(0.9, 0.99, 1e-8)
PLAN = Schedule(60, 0.5, ADAM, (Stage(0.5, {"body": 0.1}), Stage(0.5, {"body": 0.05, "body.bias": 0.0})))


class Parabola:
    """Squared distance of `body.weight` and `body.bias` from noisy examples of (3, −2)."""

    def __init__(self, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.parameters: Mapping[str, Tensor] = {
            "body.weight": torch.zeros(1),
            "body.bias": torch.zeros(1),
        }
        self._targets = torch.tensor([3.0, -2.0]) + 0.1 * torch.randn(8, 2, generator=generator)
        self._order = ExampleOrder(8, seed)
        self.fails_at: set[int] = set()
        self.calls = 0

    def loss(self, step: int) -> Tensor:
        self.calls += 1
        both = torch.cat([self.parameters["body.weight"], self.parameters["body.bias"]])
        loss = (both - self._targets[self._order[step]]).square().sum()
        return loss * float("nan") if self.calls in self.fails_at else loss

    def score(self) -> float | None:
        return -abs(weight(self) - 1.5)  # best on the way to 3

    def figures(self) -> Mapping[str, float]:
        return {"weight": weight(self)}


def weight(parabola: Parabola) -> float:
    return float(parabola.parameters["body.weight"].detach())


def stop_after(step: int) -> Callable[[Progress], None]:
    def stop(progress: Progress) -> None:
        if progress.step == step:
            raise KeyboardInterrupt

    return stop


def test_it_finds_the_minimum() -> None:
    parabola = Parabola()
    run = optimise(parabola, replace(PLAN, iterations=400))
    assert (run.steps, run.best_step, run.stopped, len(run.losses)) == (400, 400, "iterations", 400)
    assert weight(parabola) == pytest.approx(3, abs=0.1)
    assert float(parabola.parameters["body.bias"].detach()) == pytest.approx(-2, abs=0.1)


def test_a_stage_changes_only_what_has_a_rate() -> None:
    first, both = Parabola(), Parabola()
    optimise(first, PLAN, on_step=stop_after(30))
    optimise(both, PLAN)
    assert torch.equal(first.parameters["body.bias"], both.parameters["body.bias"])
    assert weight(first) != weight(both)


def test_progress_is_heard() -> None:
    heard: list[Progress] = []
    optimise(Parabola(), replace(PLAN, iterations=3), on_step=heard.append)
    assert [(one.step, one.steps) for one in heard] == [(1, 3), (2, 3), (3, 3)]
    assert heard[0].loss > heard[2].loss and heard[2].figures["weight"] > 0


def test_early_stopping_returns_the_best() -> None:
    parabola = Parabola()
    run = optimise(parabola, replace(PLAN, iterations=200, patience=3, check_every=2))
    assert run.stopped == "early" and run.best_step == run.steps - 6
    assert weight(parabola) == pytest.approx(1.5, abs=0.15)


def test_a_loss_that_is_not_finite_is_recovered_from() -> None:
    parabola = Parabola()
    parabola.fails_at = {15, 20}
    run = optimise(parabola, replace(PLAN, iterations=300))
    assert run.recoveries == 2 and run.steps == 300
    assert torch.tensor(run.losses).isfinite().all() and weight(parabola) > 2


def test_one_that_never_is_finite_again_fails_in_one_line() -> None:
    parabola = Parabola()
    parabola.fails_at = set(range(5, 100))
    with pytest.raises(FastAvatarError, match=f"step 4 is not finite after {MAX_RECOVERIES} recoveries; try"):
        optimise(parabola, PLAN)


def same_end(one: RunResult, other: RunResult) -> bool:
    return one.losses == other.losses and one.steps == other.steps and one.best_step == other.best_step


@pytest.mark.parametrize("stops", [[7], [30, 31], [29, 45, 59]])
def test_a_run_that_was_interrupted_goes_on_as_if_unbroken(tmp_path: Path, stops: list[int]) -> None:
    plan = replace(PLAN, patience=50, check_every=4)
    unbroken = Parabola()
    whole = optimise(unbroken, plan)
    checkpoint = CheckpointFile(tmp_path / "run.pt", every=1)
    for stop in stops:
        partial = optimise(Parabola(), plan, checkpoint=checkpoint, on_step=stop_after(stop + 1))
        assert partial.stopped == "interrupted"
    resumed = Parabola()
    run = optimise(resumed, plan, checkpoint=checkpoint)
    assert same_end(run, whole) and weight(resumed) == weight(unbroken)
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]


def test_a_checkpoint_of_another_model_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    checkpoint = CheckpointFile(tmp_path / "run.pt", every=1)
    optimise(Parabola(), replace(PLAN, iterations=2), checkpoint=checkpoint)
    other = Parabola()
    other.parameters = {**other.parameters, "body.weight": torch.zeros(2)}
    with pytest.raises(InputError, match="checkpoint of another model: body.weight differ"):
        optimise(other, PLAN, checkpoint=checkpoint)
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:300])
    with pytest.raises(InputError, match="cannot read the checkpoint"):
        optimise(Parabola(), PLAN, checkpoint=checkpoint)
    torch.save({"format": "other"}, checkpoint.path)
    with pytest.raises(InputError, match="is no checkpoint of a run"):
        optimise(Parabola(), PLAN, checkpoint=checkpoint)


def test_every_example_comes_once_a_round() -> None:
    order = ExampleOrder(5, seed=3)
    rounds = [[order[5 * turn + place] for place in range(5)] for turn in range(4)]
    assert all(sorted(one) == [0, 1, 2, 3, 4] for one in rounds) and len({*map(tuple, rounds)}) > 1
    again = ExampleOrder(5, seed=3)
    assert [again[12], again[3]] == [order[12], order[3]]  # whichever is asked for first


def test_rates_are_inherited_by_dotted_names() -> None:
    rates = {"body": 1.0, "body.head": 0.5}
    assert [rate_of(name, rates) for name in ("body.x.y", "body.head.z", "bodyguard", "tail")] == [
        1,
        0.5,
        0,
        0,
    ]


def test_stages_follow_one_another_by_their_shares() -> None:
    assert [stage_at(PLAN.stages, fraction) for fraction in (0.0, 0.49, 0.5, 1.0)] == [0, 0, 1, 1]


def test_rates_fall_once_the_loss_stops_falling() -> None:
    rate = PlateauRate(Plateau(factor=0.5, patience=1, every=2))
    for step, loss in enumerate([4, 4, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3], start=1):
        rate.update(step, loss)
    # better in round 2; rounds 3 and 4 are no better, which is one more than the patience; 5 and 6 again
    assert rate.factor == 0.25
    again = PlateauRate(Plateau(factor=0.5, patience=1, every=2))
    again.load(rate.state())
    for one in (rate, again):
        for step in range(13, 19):
            one.update(step, 3)
    assert rate.factor == again.factor == 0.125


def test_gradients_are_shortened_to_the_clip() -> None:
    parabola = Parabola()
    adam = AdamSettings(0.0, 0.0, 1.0)  # step = rate · gradient / (|gradient| + 1)
    stages = (Stage(1.0, {"body": 1.0}),)
    optimise(parabola, Schedule(1, 1.0, adam, stages, clip=0.1))
    moved = torch.cat([*parabola.parameters.values()]).detach().norm()
    assert 0.05 < float(moved) < 0.1
    free = Parabola()
    optimise(free, Schedule(1, 1.0, adam, stages))
    assert float(torch.cat([*free.parameters.values()]).detach().norm()) > 1


def test_a_run_with_plateau_and_clip_continues_as_if_unbroken(tmp_path: Path) -> None:
    plan = replace(PLAN, clip=0.5, plateau=Plateau(0.7, 0, 4))
    unbroken, resumed = Parabola(), Parabola()
    whole = optimise(unbroken, plan)
    checkpoint = CheckpointFile(tmp_path / "run.pt", every=1)
    stops = iter([False] * 16 + [True])
    part = optimise(
        Parabola(),
        plan,
        checkpoint=checkpoint,
        stop=lambda: "interrupted" if next(stops) else None,
    )
    assert (part.stopped, part.steps) == ("interrupted", 17)
    assert optimise(resumed, plan, checkpoint=checkpoint).losses == whole.losses
    assert weight(resumed) == weight(unbroken)


def test_a_process_that_does_not_write_only_reads(tmp_path: Path) -> None:
    checkpoint = CheckpointFile(tmp_path / "run.pt", every=1, writes=False)
    optimise(Parabola(), replace(PLAN, iterations=3), checkpoint=checkpoint)
    assert not checkpoint.path.exists()


def test_the_loss_that_counts_is_the_mean_over_processes() -> None:
    run = optimise(Parabola(), replace(PLAN, iterations=3), across=lambda loss: loss * 0 + 7)
    assert run.losses == (7.0, 7.0, 7.0)
