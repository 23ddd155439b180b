"""Probabilistic PCA and factor analysis: the model, and what it needs to know of the data."""

from .linear_gaussian import LinearGaussian as LinearGaussian
