"""Likelihoods p(x|z), each of the domains that it names.

They may import distributions, networks and what is below them. A new likelihood is one class in a file here.
"""

from .base import Likelihood, default_likelihood, fitting, moments
from .bernoulli import Bernoulli
from .columns import Columns, draw_observed
from .counts import NegativeBinomialCounts, PoissonCounts
from .levels import Categorical, Ordinal
from .logistic import Logistic, LogisticMixture
from .real import Gaussian, PredictedGaussian, StudentLikelihood
from .unit import UnitBernoulli

__all__ = [
    "Bernoulli",
    "Categorical",
    "Columns",
    "Gaussian",
    "Likelihood",
    "Logistic",
    "LogisticMixture",
    "NegativeBinomialCounts",
    "Ordinal",
    "PoissonCounts",
    "PredictedGaussian",
    "StudentLikelihood",
    "UnitBernoulli",
    "default_likelihood",
    "draw_observed",
    "fitting",
    "moments",
]
