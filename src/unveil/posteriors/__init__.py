"""q(z|x). A new posterior head is one class in a file of this folder."""

from .base import DiagonalGaussian, PosteriorHead

__all__ = ["DiagonalGaussian", "PosteriorHead"]
