"""Test-time optimisation: an avatar drawn closer to the views there are."""

from fastavatar.refine.config import Config as Config
from fastavatar.refine.config_reading import load_config as load_config
from fastavatar.refine.loop import Outcome as Outcome
from fastavatar.refine.run import refine as refine
from fastavatar.refine.run import refine_gaussians as refine_gaussians
from fastavatar.refine.start import start_from_points as start_from_points
