"""Variational diffusion: the model, its noise, its cut into steps, and its figures."""

from .vdm import VDM as VDM
