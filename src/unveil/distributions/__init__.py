"""Distributions that torch lacks. Every density is complete, in nats.

They may import the bottom floor alone. A new distribution is one class in a file here.
"""

from .binary import BinarySum
from .columns import TableColumns
from .continuous import Bell, ContinuousBernoulli, Laplace, StudentT
from .counts import NegativeBinomial, Poisson
from .event import EventSum
from .levels import DiscretizedLogistic, Levels, OrderedLogistic
from .mixtures import ColourLogisticMixture, DiscretizedLogisticMixture
from .noised import NoisedLevel

__all__ = [
    "Bell",
    "BinarySum",
    "ColourLogisticMixture",
    "ContinuousBernoulli",
    "DiscretizedLogistic",
    "DiscretizedLogisticMixture",
    "EventSum",
    "Laplace",
    "Levels",
    "NegativeBinomial",
    "NoisedLevel",
    "OrderedLogistic",
    "Poisson",
    "StudentT",
    "TableColumns",
]
