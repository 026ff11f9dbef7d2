"""What the page's controls choose, and the points and colours that follow from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fastavatar.formats import Cloud
from fastavatar.surfaces import NEEDS, CloudSamples, Coloring, painted, projected, reach_of, thinned

Part = Literal["near", "far", "both"]
PARTS: tuple[Part, ...] = ("near", "far", "both")
SIDES = ("truth", "estimate")
GAP = 1.15
"""Distance between the middles of two clouds side by side, in widths of the wider one."""


@dataclass(frozen=True)
class Choice:
    """The state of the controls."""

    sides: tuple[str, ...] = SIDES
    """Which of truth and estimate are shown."""
    part: Part = "near"
    """Which set of signed-distance samples; other clouds have one set, which is always shown."""
    coloring: Coloring = "colour"
    projected: bool = False
    """Whether points move onto the surface, p − d n."""
    share: float = 1.0
    """Share of the points that is shown, 0…1."""


@dataclass(frozen=True)
class PlacedCloud:
    """A cloud as it is drawn."""

    points: NDArray[np.float32]
    """(N, 3) metres, head frame."""
    colors: NDArray[np.uint8]
    """(N, 3) sRGB."""
    shift: tuple[float, float, float]
    """How far the cloud is moved, metres."""

    @property
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The lowest and the highest corner (3,) of the moved points."""
        low, high = self.points.min(0) + np.array(self.shift), self.points.max(0) + np.array(self.shift)
        return low, high


def place(clouds: Mapping[str, Cloud], choice: Choice) -> dict[str, PlacedCloud]:
    """What is drawn of the clouds `truth` and `estimate`, side by side; one without such points is left out.

    Both have one scale of distances.
    """
    drawn = {name: _sets(clouds[name], choice.part) for name in choice.sides if name in clouds}
    reach_m = reach_of_all(drawn)
    painted_sets = {}
    for name, sets in drawn.items():
        kept = [thinned(one, choice.share) for one in sets]
        kept = [projected(one) for one in kept] if choice.projected else kept
        shown = [painted(one, choice.coloring, reach_m) for one in kept]
        points, colors = (np.concatenate(parts) for parts in zip(*shown, strict=True))
        if len(points):
            painted_sets[name] = points, colors
    width = max((float(np.ptp(points[:, 0])) for points, _ in painted_sets.values()), default=0.0)
    middle = (len(painted_sets) - 1) / 2
    return {
        name: PlacedCloud(points, colors, ((index - middle) * GAP * width, 0.0, 0.0))
        for index, (name, (points, colors)) in enumerate(painted_sets.items())
    }


def described(clouds: Mapping[str, Cloud], placed: Mapping[str, PlacedCloud], choice: Choice) -> str:
    """What is seen, in a few words of Markdown: numbers of points, and what the colours mean."""
    lines = []
    for name, cloud in clouds.items():
        if name not in choice.sides:
            continue
        shown = len(placed[name].points) if name in placed else 0
        lines.append(f"**{name}**: {shown:,} of {sum(map(len, cloud.values())):,} points")
        if all(getattr(one, NEEDS[choice.coloring]) is None for one in cloud.values()):
            lines.append(f"its {NEEDS[choice.coloring]} are unknown: grey")
    if NEEDS[choice.coloring] == "distances":
        drawn = {name: _sets(clouds[name], choice.part) for name in choice.sides if name in clouds}
        reach_m = reach_of_all(drawn)
        lines.append(f"blue: {1000 * reach_m:.0f} mm inside, red: {1000 * reach_m:.0f} mm outside")
    return "\n\n".join(lines)


def reach_of_all(drawn: Mapping[str, list[CloudSamples]]) -> float:
    """The largest of the sets' reaches in metres, which all are drawn with."""
    return max((reach_of(one) for sets in drawn.values() for one in sets), default=0.0)


def _sets(cloud: Cloud, part: Part) -> list[CloudSamples]:
    """The sets of a cloud that are chosen; all where it has none of that name."""
    return [cloud[part]] if part in cloud else list(cloud.values())
