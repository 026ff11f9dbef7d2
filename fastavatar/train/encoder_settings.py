"""The settings of the encoder's training."""

from dataclasses import dataclass

from fastavatar.rendering import Compositing
from fastavatar.train import DataSettings, Pace


@dataclass(frozen=True)
class EncoderSettings:
    """Everything about the training of an identity encoder."""

    pace: Pace
    """Its module is `encoder`."""
    data: DataSettings
    """The people the decoder was trained on, and its number of points."""
    hidden: tuple[int, ...]
    """Widths of the layers between embedding and W."""
    mse: float
    """Weight of the mean square difference from the learnt W."""
    cosine: float
    """Weight of 1 − cosine."""
    mix: bool
    """Whether each face is mixed with another one of the batch, and W likewise (mixup, Zhang et al. 2018)."""
    compositing: Compositing
    """How a render is composited over white, in validations."""
