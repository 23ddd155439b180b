"""The hierarchical VAE: the model, its defaults, densities of its groups, and its figures."""

from .hvae import HVAE as HVAE
