"""p(z). A new prior is one class in a file of this folder."""

from .base import LearnedGaussian, Prior, StandardNormal

__all__ = ["LearnedGaussian", "Prior", "StandardNormal"]
