"""Colours of a capture's mesh as its views show them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy.spatial import cKDTree

from fastavatar.captures import View
from fastavatar.core import Mesh
from fastavatar.models.points import seen_colors
from fastavatar.surfaces import Surface


def colored_by_views(mesh: Mesh, views: Sequence[View]) -> Mesh:
    """The mesh with the mean colours of its vertices in the views; hidden ones take the nearest seen one's.

    Light and shade of the views are in these colours. Without a view that sees anything it stays as it is.
    """
    surface = Surface(mesh.vertices.double().numpy(), mesh.normals().double().numpy())
    colors, weights = seen_colors(surface, views)
    seen = np.flatnonzero(weights > 0)
    if not len(seen):
        return mesh
    nearest = seen[cKDTree(surface.points[seen]).query(surface.points)[1]]
    return replace(mesh, colors=torch.from_numpy(colors[nearest]).float())
