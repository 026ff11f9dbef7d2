"""The rows of `benchmarks.embedded`: what is measured on which inputs, and the goal."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

Measured = Mapping[str, Any]
"""The figures of a case, as JSON."""
Figure = tuple[str, float | None]
"""A label, such as the input's name, and its figure."""

LIKENESS_VIEWS = (0, 1, 14, 15)
"""The views of 306 and 369 that lie 46° to 48° to either side, two from above and two from below."""
BEHIND_DEG = 120
"""A camera whose azimuth differs by so much from the input's sees the head from behind."""
REFINED_STEPS = 120


@dataclass(frozen=True)
class Case:
    """One answer to measure."""

    source: str
    """Name of the capture's folder or of the photo."""
    inputs: tuple[int, ...] = ()
    """Input views of the capture."""
    method: str = "photo"
    """A method of `evaluate`; `own view` for a photo, `time` for the time and memory of a prediction."""
    iterations: int | None = None
    """Steps of refinement; None leaves them to the method."""

    @property
    def label(self) -> str:
        """Source and inputs; what differs from one plain prediction in brackets."""
        more = [self.method] if self.method == "guided" else []
        more += [] if self.iterations is None else [f"{self.iterations} steps"]
        given = ["+".join(f"{index:02d}" for index in self.inputs)] if self.inputs else []
        return " ".join([self.source.split(".")[0], *given, *more])

    @property
    def file_stem(self) -> str:
        """A name for its sheet."""
        return self.label.replace(" ", "_")

    @property
    def is_plain(self) -> bool:
        """Whether it is one unrefined prediction from one view of a capture."""
        return self.method == "photo" and self.iterations is None and len(self.inputs) == 1


FRONT = (Case("306", (8,)), Case("369", (8,)))
SIDE = (Case("306", (0,)), Case("369", (0,)))
BUST, RENDERED = Case("bust", (0,)), Case("rendered", (25,))
PEOPLE = (*FRONT, *SIDE)
PLAIN = (*PEOPLE, BUST, RENDERED)
THREE = tuple(Case(source, (8, 0, 15)) for source in ("306", "369"))
RENDERED_THREE = Case("rendered", (25, 17, 1))
TIME = Case("12 megapixels", method="time")


def with_options(cases: Sequence[Case], method: str, iterations: int | None) -> tuple[Case, ...]:
    """The same sources and inputs, answered otherwise."""
    return tuple(Case(case.source, case.inputs, method, iterations) for case in cases)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    key: str
    """Name for `--only`."""
    name: str
    goal: float
    unit: str
    given: tuple[Case, ...]
    """The cases that it needs, the photos aside."""
    figure: Callable[[Measured], float | None]
    """A case's figure."""
    at_least: bool = True
    """Whether a larger figure is better."""
    everywhere: bool = False
    """Whether the worst figure has to meet the goal rather than the mean."""
    photos: bool = False
    """Whether the photos count, too."""
    quick: bool = True
    """Whether one unrefined prediction shows it."""
    against: Case | None = None
    """A case whose PSNR over the same novel views is subtracted."""

    def cases(self, photos: Sequence[str]) -> list[Case]:
        """The cases that it needs, given the names of the photos."""
        return [*self._shown(photos), *([self.against] if self.against else [])]

    def figures(self, measured: Mapping[Case, Measured], photos: Sequence[str]) -> list[Figure]:
        """The figure of each case; None for one that failed."""
        return [(case.label, self._figure_of(case, measured)) for case in self._shown(photos)]

    def _shown(self, photos: Sequence[str]) -> list[Case]:
        return [*self.given, *(Case(name, method="own view") for name in photos if self.photos)]

    def _figure_of(self, case: Case, measured: Mapping[Case, Measured]) -> float | None:
        needed = [measured[one] for one in (case, self.against) if one is not None]
        if any("error" in found for found in needed):
            return None
        return self.figure(needed[0]) if self.against is None else gain(*needed)


def as_figure(value: Any) -> float | None:
    """A number or null of a JSON."""
    return None if value is None else float(value)


def mean_of(metric: str) -> Callable[[Measured], float | None]:
    """Mean of a metric over the novel views."""
    return lambda found: as_figure(found["mean"][metric])


def own(figure: str, factor: float = 1.0) -> Callable[[Measured], float | None]:
    """A figure of the own view, times `factor`."""

    def value(found: Measured) -> float | None:
        known = (found["own_view"] or {}).get(figure)
        return None if known is None else factor * known

    return value


def surface(kind: str, region: str) -> Callable[[Measured], float | None]:
    """Mean surface error of a region, mm."""
    return lambda found: as_figure((found[kind] or {}).get(region, {}).get("mean"))


def from_behind(found: Measured) -> float | None:
    """Mean PSNR over the views at least `BEHIND_DEG` of azimuth from the input's."""
    front = found["views"][found["inputs"][0]]["azimuth_deg"]
    apart = [(view["psnr"], abs((view["azimuth_deg"] - front + 180) % 360 - 180)) for view in found["views"]]
    return as_figure(mean(psnr for psnr, degrees in apart if degrees >= BEHIND_DEG))


def likeness(found: Measured) -> float | None:
    """Mean cosine at `LIKENESS_VIEWS`."""
    return as_figure(mean(found["cosines"])) if found["cosines"] else None


def best_seconds(found: Measured) -> float | None:
    """Seconds of the fastest prediction."""
    return as_figure(min(found["seconds"]))


def peak_memory(found: Measured) -> float | None:
    """Peak memory in GB."""
    return as_figure(found["peak_gb"])


def gain(many: Measured, one: Measured) -> float:
    """Mean gain in PSNR over the views that neither was given."""
    given = {*many["inputs"], *one["inputs"]}
    pairs = zip(many["views"], one["views"], strict=True)
    return float(mean(a["psnr"] - b["psnr"] for a, b in pairs if a["view"] not in given))


def at_most(key: str, name: str, goal: float, unit: str, given: tuple[Case, ...], **more: Any) -> Row:
    """A row whose figure had better be small."""
    return Row(key, name, goal, unit, given, at_least=False, **more)


def later(key: str, name: str, goal: float, given: tuple[Case, ...], **more: Any) -> Row:
    """A row in dB that `--quick` leaves out: the mean PSNR of the head, unless `more` says otherwise."""
    return Row(key, name, goal, "dB", given, quick=False, **{"figure": mean_of("psnr_head"), **more})


_EVERY: dict[str, Any] = {"everywhere": True, "photos": True}
_FLAME_GOALS_MM = {"face": 2.5, "ear": 3.6, "jaw": 3.0, "neck": 5.5}
_GUIDED_FRONT, _GUIDED_SIDE = (with_options(cases, "guided", None) for cases in (FRONT, SIDE))
_GUIDED = (*_GUIDED_FRONT, *_GUIDED_SIDE)
_REFINED_FRONT, _REFINED_SIDE = (with_options(cases, "photo", REFINED_STEPS) for cases in (FRONT, SIDE))
_WHOLE, _HEAD = mean_of("psnr"), mean_of("psnr_head")

ROWS: tuple[Row, ...] = (
    Row("own", "own view, in the mask", 30, "dB", PLAIN, figure=own("psnr"), **_EVERY),
    at_most("uncovered", "own view, uncovered", 1, "%", PLAIN, figure=own("uncovered", 100), **_EVERY),
    at_most("backdrop", "own view, over backdrop", 1, "%", PLAIN, figure=own("over_backdrop", 100), **_EVERY),
    Row("head-front", "head, novel views, from 08", 20.5, "dB", FRONT, figure=_HEAD),
    Row("head-side", "head, novel views, from 00", 18, "dB", SIDE, figure=_HEAD),
    Row("whole-front", "whole image, from 08", 18.5, "dB", FRONT, figure=_WHOLE),
    Row("whole-side", "whole image, from 00", 16.5, "dB", SIDE, figure=_WHOLE),
    Row("rendered", "rendered, whole image, from 25", 18.5, "dB", (RENDERED,), figure=_WHOLE),
    Row("behind", "… seen from behind", 17.5, "dB", (RENDERED,), figure=from_behind),
    *(
        at_most(f"flame-{part}", f"surface, {part}", goal, "mm", PEOPLE, figure=surface("flame_mm", part))
        for part, goal in _FLAME_GOALS_MM.items()
    ),
    at_most("bust-face", "bust, face", 2.3, "mm", (BUST,), figure=surface("geometry_mm", "face")),
    at_most("bust-skull", "bust, skull", 3.0, "mm", (BUST,), figure=surface("geometry_mm", "skull")),
    Row("likeness", "likeness at ±48°, from 08", 0.5, "", FRONT, figure=likeness),
    later("three", "three photos, whole image", 19.5, THREE, figure=_WHOLE),
    later("three-rendered", "rendered, three photos over one", 2, (RENDERED_THREE,), against=RENDERED),
    later("refined-front", f"head, {REFINED_STEPS} steps, from 08", 21.5, _REFINED_FRONT),
    later("refined-side", f"head, {REFINED_STEPS} steps, from 00", 18.7, _REFINED_SIDE),
    later("guided-front", "guided, whole image, from 08", 22.0, _GUIDED_FRONT, figure=_WHOLE),
    later("guided-side", "guided, whole image, from 00", 20.3, _GUIDED_SIDE, figure=_WHOLE),
    later("guided-own", "guided, own view", 28, _GUIDED, figure=own("psnr"), everywhere=True),
    at_most("seconds", "loaded, 12 MP to PLY, best", 1.2, "s", (TIME,), figure=best_seconds, quick=False),
    at_most("memory", "… its peak memory", 1.1, "GB", (TIME,), figure=peak_memory, quick=False),
)  # fmt: skip
