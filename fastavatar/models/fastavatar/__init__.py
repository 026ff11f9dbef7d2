"""The published FastAvatar networks (Liang et al. 2025, arXiv 2508.18389)."""

from fastavatar.models.fastavatar.loading import Precision as Precision
from fastavatar.models.fastavatar.loading import load as load
from fastavatar.models.fastavatar.predictor import Crop as Crop
from fastavatar.models.fastavatar.predictor import FastAvatarPredictor as FastAvatarPredictor
from fastavatar.models.fastavatar.sh_refit import ShRefit as ShRefit
