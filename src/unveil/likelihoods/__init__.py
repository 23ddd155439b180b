"""p(x|z). A new likelihood is one class in a file of this folder."""

from .base import Likelihood, default_likelihood, fitting, moments
from .bernoulli import Bernoulli
from .counts import NegativeBinomialCounts, PoissonCounts
from .levels import Categorical, Ordinal
from .logistic import Logistic, LogisticMixture
from .real import Gaussian, PredictedGaussian, StudentLikelihood
from .unit import UnitBernoulli

__all__ = [
    "Bernoulli",
    "Categorical",
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
    "fitting",
    "moments",
]
