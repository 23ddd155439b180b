"""Mixtures of a few components: the model and its kinds of components."""

from .mixture import Mixture as Mixture
