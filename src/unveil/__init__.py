"""Deep latent-variable models, fitted by variational inference, with log-likelihoods one can trust.

Importing this module imports nothing heavy: every name is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Batch": "batch",
    "BetaElbo": "objectives",
    "Data": "data",
    "Domain": "domain",
    "Elbo": "objectives",
    "Iwae": "objectives",
    "LinearGaussian": "models.linear_gaussian",
    "Mixture": "models.mixture",
    "RequestError": "errors",
    "Run": "api",
    "Stage": "train.stage",
    "Terms": "terms",
    "VAE": "models.vae",
    "WorkError": "errors",
    "fit": "api",
    "compare": "api",
    "kl": "divergence",
    "load": "use.packed",
    "load_data": "data",
    "pack": "api",
}
__all__ = [*_HOMES, "__version__"]

if TYPE_CHECKING:
    from .api import Run as Run
    from .api import compare as compare
    from .api import fit as fit
    from .api import pack as pack
    from .batch import Batch as Batch
    from .data import Data as Data
    from .data import load_data as load_data
    from .divergence import kl as kl
    from .domain import Domain as Domain
    from .errors import RequestError as RequestError
    from .errors import WorkError as WorkError
    from .models.linear_gaussian import LinearGaussian as LinearGaussian
    from .models.mixture import Mixture as Mixture
    from .models.vae import VAE as VAE
    from .objectives import BetaElbo as BetaElbo
    from .objectives import Elbo as Elbo
    from .objectives import Iwae as Iwae
    from .terms import Terms as Terms
    from .train.stage import Stage as Stage
    from .use.packed import load as load


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'unveil' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
