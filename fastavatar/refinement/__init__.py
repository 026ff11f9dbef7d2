"""Test-time optimisation: an avatar drawn closer to the views there are."""

from typing import TYPE_CHECKING

from fastavatar.system.lazy import lazy_attributes

if TYPE_CHECKING:
    from fastavatar.models.points.start import start_from_points as start_from_points
    from fastavatar.refinement.config import Config as Config
    from fastavatar.refinement.config_reading import load_config as load_config
    from fastavatar.refinement.guided import Start as Start
    from fastavatar.refinement.guided import avatar_at as avatar_at
    from fastavatar.refinement.guided import choose_preset as choose_preset
    from fastavatar.refinement.guided import load_networks_for as load_networks_for
    from fastavatar.refinement.guided import start_of as start_of
    from fastavatar.refinement.photo_view import photo_of_view as photo_of_view
    from fastavatar.refinement.run import Outcome as Outcome
    from fastavatar.refinement.run import default_preset as default_preset
    from fastavatar.refinement.run import refine as refine
    from fastavatar.refinement.run import refine_gaussians as refine_gaussians

__getattr__ = lazy_attributes(
    __name__,
    {
        "fastavatar.models.points.start": ["start_from_points"],
        ".config": ["Config"],
        ".config_reading": ["load_config"],
        ".guided": ["Start", "avatar_at", "choose_preset", "load_networks_for", "start_of"],
        ".photo_view": ["photo_of_view"],
        ".run": ["Outcome", "default_preset", "refine", "refine_gaussians"],
    },
)
