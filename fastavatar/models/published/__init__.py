"""The published FastAvatar networks (Liang et al. 2025, arXiv 2508.18389)."""

from fastavatar.models.published.loading import Precision as Precision
from fastavatar.models.published.loading import load as load
from fastavatar.models.published.predictor import Crop as Crop
from fastavatar.models.published.predictor import FastAvatarPredictor as FastAvatarPredictor
from fastavatar.models.published.sh_refit import ShRefit as ShRefit
