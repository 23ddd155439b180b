"""The vector-quantised auto-encoder: the model, its q over codes, and its figures."""

from .vqvae import VQVAE as VQVAE
