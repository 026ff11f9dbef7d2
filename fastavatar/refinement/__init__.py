"""Test-time optimisation: an avatar drawn closer to the views there are."""

from fastavatar.models.points.start import start_from_points as start_from_points
from fastavatar.refinement.config import Config as Config
from fastavatar.refinement.config_reading import load_config as load_config
from fastavatar.refinement.run import Outcome as Outcome
from fastavatar.refinement.run import refine as refine
from fastavatar.refinement.run import refine_gaussians as refine_gaussians
