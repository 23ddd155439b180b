"""p(x|z). A new likelihood is one class in a file of this folder."""

from .base import Likelihood, default_likelihood, fitting
from .bernoulli import Bernoulli
from .levels import Categorical
from .logistic import Logistic
from .real import Gaussian

__all__ = ["Bernoulli", "Categorical", "Gaussian", "Likelihood", "Logistic", "default_likelihood", "fitting"]
