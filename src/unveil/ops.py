"""Small tensor functions that every floor above shares."""

import contextlib
import functools
import hashlib
import math
import sys
from collections.abc import Iterator

import torch
from numpy.typing import ArrayLike
from torch import Tensor


def log_mean_exp(log_w: Tensor, dim: int = 0, log_m: Tensor | None = None) -> Tensor:
    """log Σ_k m_k w_k along `dim`; without `log_m` every weight counts 1/K, K being the number it holds.

    Accumulates in float64, so that K = 10⁵ weights lose nothing.
    """
    log_w = log_w.double()
    if log_m is None:
        return torch.logsumexp(log_w, dim) - math.log(log_w.shape[dim])
    return torch.logsumexp(log_w + log_m.double(), dim)


def error_of_mean(value: Tensor) -> Tensor:
    """The standard error of the mean of N values [N, …] → […]; one value cannot tell, and gives NaN."""
    return value.std(0) / math.sqrt(len(value)) if len(value) > 1 else torch.full_like(value[0], math.nan)


def mean_and_error(value: ArrayLike | Tensor) -> tuple[float, float]:
    """The mean of N values [N] and its standard error, in float64."""
    value = torch.as_tensor(value, dtype=torch.float64)
    return float(value.mean()), float(error_of_mean(value))


def error_of_known(error: Tensor) -> float:
    """The standard error of the mean of N values, each with an independent error of its own [N]."""
    return float(error.square().sum().sqrt()) / len(error)


def sum_event(x: Tensor, event_ndim: int) -> Tensor:
    """Sum over the last `event_ndim` dimensions (never a mean)."""
    return x.sum(dim=tuple(range(-event_ndim, 0))) if event_ndim else x


def is_traced() -> bool:
    """Whether steps are being written down for a page, so that no value can be asked for."""
    tracing = sys.modules.get("torch.fx.experimental.proxy_tensor")  # its import is slow, and who traces has made it
    return tracing is not None and tracing.get_proxy_mode() is not None


def seed_of(*key: int | str) -> int:
    """A 63-bit seed from a key such as ("train", seed, step): equal keys, equal noise; order matters."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


@contextlib.contextmanager
def keyed(*key: int | str) -> Iterator[None]:
    """Draw torch's noise from the stream of `key`, then put the caller's generators back as they were.

    Noise that is keyed by what it is for (seed, step, first row) needs no generator state in a
    checkpoint, and does not change with the batch size or with what ran before.
    """
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        _seed(seed_of(*key))
        yield


def _seed(seed: int) -> None:
    """As `torch.manual_seed`, which imports torch's compiler (a second) and queues a call for each absent device."""
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(seed)


@functools.cache
def has_device(name: str) -> bool:
    """Whether this machine has a device."""
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError):  # a torch without CUDA says so by the latter
        return False
    return True


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Compute with so many threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
