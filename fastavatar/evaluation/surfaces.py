"""The surface of an answer beside a capture's true one: all of it, and what the first input view sees."""

from collections.abc import Mapping
from dataclasses import asdict

from fastavatar.captures import Capture, View
from fastavatar.core import Mesh
from fastavatar.evaluation import Answer
from fastavatar.head import outside_of
from fastavatar.losses import surface_difference
from fastavatar.models.points import colored_by_views
from fastavatar.surfaces import solid_of

Differences = Mapping[str, Mapping[str, float | None] | None]
"""`chamfer_mm`, `normal_deg` and `color` of `all` and `seen`, and of the mean head, if there is one."""


def surface_differences(capture: Capture, answer: Answer, view: View) -> Differences | None:
    """The differences; None for an answer or a capture without a mesh.

    Of parametric heads only what is seen from outside counts, and holes are closed, as below a bust. The true
    colours are those of the capture's mesh, else those that all its views show on average.
    """
    if capture.mesh is None or answer.mesh is None:
        return None
    truth = solid_of(outside_of(capture.mesh))
    if answer.mesh.colors is not None and truth.colors is None:
        truth = colored_by_views(truth, capture.views)
    found: dict[str, Mapping[str, float | None] | None] = {}
    for prefix, mesh in (("", answer.mesh), ("mean_head_", answer.baseline)):
        if mesh is not None:
            found[f"{prefix}all"] = _difference(solid_of(outside_of(mesh)), truth, None)
            found[f"{prefix}seen"] = _difference(solid_of(outside_of(mesh)), truth, view)
    return found


def _difference(mesh: Mesh, truth: Mesh, view: View | None) -> Mapping[str, float | None] | None:
    found = surface_difference(solid_of(outside_of(mesh)), truth, None if view is None else view.camera)
    return None if found is None else asdict(found)
