"""Drawing Gaussians: on the CPU, on CUDA, and slowly for comparison."""

from fastavatar.rendering.picture import Compositing, Render
from fastavatar.rendering.rasterise import render

__all__ = ["Compositing", "Render", "render"]
