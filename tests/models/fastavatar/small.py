"""Sizes of networks of the published design that are quick to run."""

from fastavatar.models.fastavatar.decoder import DecoderSizes
from fastavatar.models.fastavatar.dinov2 import Dinov2Sizes
from fastavatar.models.fastavatar.point_predictor import PointPredictorSizes

POINTS = 40
SMALL_DECODER = DecoderSizes(gaussians=POINTS, sh_coefficients=4, embedding=8, body=(520, 16, 16), head=12)
SMALL_DINO = Dinov2Sizes(width=128, depth=2, hidden=64)
SMALL_POINTS = PointPredictorSizes(SMALL_DINO, [128, 32, 32, 3 * POINTS], [128, 32, 32, 9], residuals=True)
