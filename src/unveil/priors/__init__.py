"""Priors p(z).

They may import distributions, networks and what is below them. A new prior is one class in a file here.
"""

from .base import LearnedGaussian, Prior, StandardNormal

__all__ = ["LearnedGaussian", "Prior", "StandardNormal"]
