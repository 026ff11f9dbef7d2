"""Random adults of MakeHuman: every person is a weighted sum of targets."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fastavatar.geometry import Array
from scripts.head.makehuman import MPFB2, Source
from scripts.head.raw import Floats

GENDERS, AGES = ("male", "female"), ("young", "old")
MUSCLES = ("minmuscle", "averagemuscle", "maxmuscle")
WEIGHTS = ("minweight", "averageweight", "maxweight")
HEIGHTS, PROPORTIONS = ("minheight", "maxheight"), ("idealproportions", "uncommonproportions")
RACES = ("african", "asian", "caucasian")
LOCAL = ("head", "neck", "ears", "eyes", "nose", "mouth", "chin", "cheek", "forehead", "eyebrows")
LOCAL_SIGMA, ONE_SIDE_SIGMA, ASYMMETRY_SIGMA = 0.18, 0.06, 0.08
"""Spread of local changes, of their difference between the halves, and of MakeHuman's asymmetries. A wider
0.35 for the first makes heads whose faces few people have."""

MEANS = {"nose/nose-scale-depth-incr": 0.4}
"""Local changes of the average person. MakeHuman's average nose measures 16 mm from its base to its tip,
that of adults 17 to 20 mm by population (Farkas 1994, subnasale to pronasale); 0.4 move the tip by 3.4 mm.
An average head from scans and the surfaces of three people agree."""


@dataclass(frozen=True)
class Phenotype:
    """MakeHuman's global traits, each 0…1 from the first to the last of its names; `races` are shares."""

    gender: float
    age: float
    muscle: float
    weight: float
    height: float
    proportions: float
    races: tuple[float, ...]


class Crowd:
    """The targets that change grown-up people, and the people they make of the base mesh (B, 3)."""

    def __init__(self, source: Source, base: Array) -> None:
        self._source, self._base = source, base
        self._targets: list[Floats] = []
        self._index: dict[str, int] = {}
        macro = set(source.targets_in("macrodetails"))
        macro |= {f"height/{name}" for name in source.targets_in("macrodetails/height")}
        macro |= {f"proportions/{name}" for name in source.targets_in("macrodetails/proportions")}
        for name in sorted(macro):
            if "baby" not in name and "child" not in name:
                self._add(f"macrodetails/{name}")
        self.pairs = [
            (f"{folder}/{to}", f"{folder}/{fro}") for folder in LOCAL for to, fro in source.opposites(folder)
        ]
        paired = {name for pair in self.pairs for name in pair}
        self.single = [
            f"{folder}/{name}"
            for folder in (*LOCAL, "asym")
            for name in source.targets_in(folder)
            if f"{folder}/{name}" not in paired
        ]
        for name in (*sorted(paired), *self.single):
            self._add(name)

    def _add(self, name: str) -> None:
        self._index[name] = len(self._targets)
        self._targets.append(self._source.target(f"{MPFB2}targets/{name}.target.gz", len(self._base)))

    def average(self) -> Array:
        """The vertices (B, 3) of a person in the middle of every trait, without local changes."""
        third = 1 / 3
        shares = self._global(Phenotype(0.5, 0.3, 0.5, 0.5, 0.5, 0.5, (third, third, third)))
        return np.asarray(self._people(shares[None])[0])

    def sample(self, count: int, seed: int) -> Array:
        """The vertices (count, B, 3) of random adults."""
        random = np.random.default_rng(seed)
        return self._people(np.stack([self._person(random) for _ in range(count)]))

    def _people(self, shares: Array) -> Array:
        targets = np.stack(self._targets).reshape(len(self._targets), -1)
        moved = (shares.astype(np.float32) @ targets).reshape(len(shares), -1, 3)
        return np.asarray(self._base + moved)

    def _person(self, random: np.random.Generator) -> Array:
        traits = Phenotype(
            gender=float(random.choice([random.beta(2, 6), random.beta(6, 2)])),
            age=float(random.uniform(0, 0.9)),
            muscle=float(random.beta(3, 3)),
            weight=float(random.beta(3, 3)),
            height=float(random.beta(3, 3)),
            proportions=float(random.beta(2, 2)),
            races=tuple(random.dirichlet([0.5] * 3)),
        )
        shares = self._global(traits)
        both_sides: dict[str, float] = {}
        for to, fro in self.pairs:
            value = MEANS.get(to, 0.0) + _sided(to, LOCAL_SIGMA, both_sides, random)
            shares[self._index[to if value > 0 else fro]] += min(abs(value), 1.0)
        for name in self.single:
            if name.startswith("asym/"):
                value = random.normal(0, ASYMMETRY_SIGMA)
            else:
                value = _sided(name, LOCAL_SIGMA, both_sides, random)
            shares[self._index[name]] += np.clip(value, 0, 1)
        return shares

    def _global(self, traits: Phenotype) -> Array:
        """Shares (T,) of the global targets, products of the traits' weights."""
        shares = np.zeros(len(self._targets))
        for name, share in _combinations(traits):
            if name in self._index and share > 0:
                shares[self._index[name]] += share
        return shares


def _sided(name: str, sigma: float, both: dict[str, float], random: np.random.Generator) -> float:
    """A change's random size; those of the left and the right half, `l-…` and `r-…`, differ a little."""
    folder, own = name.split("/")
    if own[:2] not in ("l-", "r-"):
        return float(random.normal(0, sigma))
    shared = both.setdefault(f"{folder}/{own[2:]}", random.normal(0, sigma))
    return float(shared + random.normal(0, ONE_SIDE_SIGMA))


def _combinations(traits: Phenotype) -> Iterator[tuple[str, float]]:
    """Names of global targets and their weights."""
    genders = dict(zip(GENDERS, _hat(traits.gender, 2), strict=True))
    ages = dict(zip(AGES, _hat(traits.age, 2), strict=True))
    muscles = dict(zip(MUSCLES, _hat(traits.muscle, 3), strict=True))
    weights = dict(zip(WEIGHTS, _hat(traits.weight, 3), strict=True))
    heights = dict(zip(HEIGHTS, _hat(traits.height, 2), strict=True))
    proportions = dict(zip(PROPORTIONS, _hat(traits.proportions, 2), strict=True))
    for gender, of_gender in genders.items():
        for age, of_age in ages.items():
            for race, of_race in zip(RACES, traits.races, strict=True):
                yield f"macrodetails/{race}-{gender}-{age}", of_race * of_gender * of_age
            for muscle, of_muscle in muscles.items():
                for weight, of_weight in weights.items():
                    name = f"{gender}-{age}-{muscle}-{weight}"
                    share = of_gender * of_age * of_muscle * of_weight
                    yield f"macrodetails/universal-{name}", share
                    for height, of_height in heights.items():
                        yield f"macrodetails/height/{name}-{height}", share * of_height
                    for kind, of_kind in proportions.items():
                        yield f"macrodetails/proportions/{name}-{kind}", share * of_kind


def _hat(value: float, count: int) -> Array:
    """Weights (count,) that interpolate linearly between `count` steps of 0…1."""
    return np.asarray(np.maximum(0, 1 - np.abs(value - np.linspace(0, 1, count)) * (count - 1)))
