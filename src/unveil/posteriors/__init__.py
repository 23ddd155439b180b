"""Posterior heads: features become q(z|x).

They may import distributions, networks and what is below them. A new posterior head is one class in a file here.
"""

from .base import DiagonalGaussian, PosteriorHead

__all__ = ["DiagonalGaussian", "PosteriorHead"]
