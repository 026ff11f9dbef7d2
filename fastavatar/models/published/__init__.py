"""The published FastAvatar networks (Liang et al. 2025, arXiv 2508.18389); `loading.load` reads them."""

from typing import TYPE_CHECKING

from fastavatar.system.lazy import lazy_attributes

if TYPE_CHECKING:
    from fastavatar.models.published.decoder import DecoderSizes as DecoderSizes
    from fastavatar.models.published.decoder import load_decoder as load_decoder
    from fastavatar.models.published.folding import fold as fold
    from fastavatar.models.published.guided import GuidedNetworks as GuidedNetworks
    from fastavatar.models.published.latent import DecoderLatent as DecoderLatent
    from fastavatar.models.published.latent import End as End
    from fastavatar.models.published.latent import LatentFacts as LatentFacts
    from fastavatar.models.published.latent import interpolate as interpolate
    from fastavatar.models.published.loading import load as load
    from fastavatar.models.published.loading import load_guided as load_guided
    from fastavatar.models.published.made_up import write_made_up as write_made_up
    from fastavatar.models.published.networks import load_networks as load_networks
    from fastavatar.models.published.networks import made_up_told as made_up_told
    from fastavatar.models.published.networks import require_networks as require_networks
    from fastavatar.models.published.options import PublishedOptions as PublishedOptions
    from fastavatar.models.published.predictor import LICENCE as LICENCE
    from fastavatar.models.published.sh_refit import refit_sh as refit_sh

__getattr__ = lazy_attributes(
    __name__,
    {
        ".decoder": ["DecoderSizes", "load_decoder"],
        ".folding": ["fold"],
        ".guided": ["GuidedNetworks"],
        ".latent": ["DecoderLatent", "End", "LatentFacts", "interpolate"],
        ".loading": ["load", "load_guided"],
        ".made_up": ["write_made_up"],
        ".networks": ["load_networks", "made_up_told", "require_networks"],
        ".options": ["PublishedOptions"],
        ".predictor": ["LICENCE"],
        ".sh_refit": ["refit_sh"],
    },
)
