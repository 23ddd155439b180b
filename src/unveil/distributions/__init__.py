"""Distributions that torch lacks. All densities are complete, in nats."""

from .binary import BinarySum
from .continuous import ContinuousBernoulli, StudentT
from .counts import NegativeBinomial, Poisson
from .event import EventSum
from .levels import DiscretizedLogistic, Levels, OrderedLogistic
from .mixtures import ColourLogisticMixture, DiscretizedLogisticMixture
from .noised import NoisedLevel

__all__ = [
    "BinarySum",
    "ColourLogisticMixture",
    "ContinuousBernoulli",
    "DiscretizedLogistic",
    "DiscretizedLogisticMixture",
    "EventSum",
    "Levels",
    "NegativeBinomial",
    "NoisedLevel",
    "OrderedLogistic",
    "Poisson",
    "StudentT",
]
