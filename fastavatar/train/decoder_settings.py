"""The settings of the decoder's training."""

from dataclasses import dataclass
from typing import Literal

from fastavatar.losses import LossWeights
from fastavatar.models.published import DecoderSizes
from fastavatar.rendering import Compositing
from fastavatar.train import DataSettings, Pace


@dataclass(frozen=True)
class NetworkSettings:
    """What distinguishes one decoder from another."""

    sh_degree: int
    """Degree of the colours' spherical harmonics, 0 to 3."""
    w: int
    """Length of W."""
    w_deviation: float
    """Standard deviation of its numbers at the start; the published training's is 1."""
    embedding: int
    """Length of a Gaussian's own embedding."""
    embedding_kind: Literal["learnt", "sinusoidal"]
    """Trained along, or the sines and cosines of the Gaussian's place on the mean head (the paper's)."""
    body: tuple[int, ...]
    """Widths of the shared layers behind the first input."""
    head: int
    """Width inside each head."""
    hidden_gain: float
    """Glorot's gain at the start of all layers but each head's last, whose gain is the published 0.02."""

    def sizes(self, gaussians: int) -> DecoderSizes:
        """The sizes of the network for so many Gaussians."""
        body = (self.w + self.embedding, *self.body)
        return DecoderSizes(gaussians, (self.sh_degree + 1) ** 2, self.embedding, body, self.head)


@dataclass(frozen=True)
class DecoderSettings:
    """Everything about the training of a decoder."""

    pace: Pace
    """Its modules are `decoder` and `latents`, the table of W."""
    data: DataSettings
    """The people."""
    network: NetworkSettings
    """The decoder."""
    views_together: int
    """Views of a person that are rendered from one decoding; the published training's is 1."""
    loss: LossWeights
    """Weights of the differences between a render and a view."""
    offset_penalty: float
    """Weight of the mean square of the offsets from the points, in square centimetres."""
    scale_penalty: float
    """Weight of the mean square of the change of log scales from the mean head's."""
    compositing: Compositing
    """How a render is composited over white."""
    train_mean_head: bool
    """Whether the values of the mean head that the heads' outputs are added to are trained, too."""
    fit_steps: int
    """Steps in which a validation fits W to a person held out."""
