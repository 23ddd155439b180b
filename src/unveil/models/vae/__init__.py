"""The variational auto-encoder, and the one of several modalities."""

from .vae import VAE as VAE
