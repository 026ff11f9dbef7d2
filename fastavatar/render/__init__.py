"""Drawing Gaussians: on the CPU, on CUDA, and slowly for comparison."""

from fastavatar.render.picture import Compositing, Render
from fastavatar.render.rasterise import render

__all__ = ["Compositing", "Render", "render"]
