"""From vectors to codes and back: a learned book of vectors, or rounded scalars."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import RequestError

DECAY = 0.99  # of the averages that a book follows: about the last 100 batches
DEAD = 0.05  # the share of a fair part of the vectors below which a code counts as dead, and is revived
PER_CODE = 20  # vectors that k-means looks at, per code
AGAIN = (25, 50, 100, 200, 400, 800)  # batches after which a book begins anew, left behind by a fast encoder
MOST_LEVELS, LEAST_LEVELS = 8, 3  # of a rounded scalar


@dataclass(frozen=True)
class Quantized:
    """What vectors h [..., D] became.

    Arguments: vectors [..., D], h as it was compared with codes; codes [...] int64; values [..., D], the codes'
    vectors, with the gradient of h (straight through); commitment [...], ‖h − sg(e)‖²; book [...], ‖sg(h) − e‖², where
    the book learns by gradient; both 0 else.
    """

    vectors: Tensor
    codes: Tensor
    values: Tensor
    commitment: Tensor
    book: Tensor


class Quantizer(nn.Module, ABC):
    """Vectors to one of K codes. Attributes: num_codes K, dim D."""

    num_codes: int
    dim: int

    @abstractmethod
    def forward(self, h: Tensor) -> Quantized: ...

    @abstractmethod
    def look_up(self, codes: Tensor) -> Tensor:
        """The vectors [..., D] of codes [...]."""

    def start(self, h: Tensor) -> None:
        """Begin with the vectors h [N, D] of training examples."""

    def learn(self, found: Quantized) -> None:
        """Follow the vectors that a batch was encoded as."""


class VectorQuantizer(Quantizer):
    """c = argmin_k ‖h − e_k‖, h standardised over its D numbers; the gradient of e_c goes to h as it is.

    e_k follows the average of the vectors that chose it (EMA), or the gradient of ‖sg(h) − e_c‖². A code that hardly
    any vector chooses is set onto a vector of the batch (revival). k-means is the start, and anew a few times early on.

    References: van den Oord et al., Neural Discrete Representation Learning (2017), eq. 1–3 and appendix A.1; Dhariwal
    et al., Jukebox (2020), §3, for the revival. Averages, k-means and revival are those of vector-quantize-pytorch.

    Arguments: num_codes K; dim D; ema, how the book learns; revival, whether dead codes are revived.
    """

    batches: Tensor

    def __init__(self, num_codes: int, dim: int, *, ema: bool = True, revival: bool = True) -> None:
        super().__init__()
        self.num_codes, self.dim, self.ema, self.revival = num_codes, dim, ema, revival
        self.book: Any = _library().Codebook(
            dim, num_codes, kmeans_init=True, decay=DECAY, threshold_ema_dead_code=float(revival), ema_update=ema,
            learnable_codebook=not ema,
        )  # fmt: skip
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    @property
    def vectors(self) -> Tensor:
        """e, [K, D]."""
        return self.book.embed[0]

    def forward(self, h: Tensor) -> Quantized:
        h = F.layer_norm(h, h.shape[-1:])
        codes = self._nearest(h.detach())
        e = self.look_up(codes)
        commitment = (h - e.detach()).square().sum(-1)
        book = torch.zeros_like(commitment) if self.ema else (h.detach() - e).square().sum(-1)
        return Quantized(h, codes, h + (e - h).detach(), commitment, book)

    def look_up(self, codes: Tensor) -> Tensor:
        return F.embedding(codes, self.vectors)

    @torch.no_grad()
    def _nearest(self, h: Tensor) -> Tensor:
        """argmin_k ‖e_k‖²/2 − h·e_k, [...]."""
        e = self.vectors
        return torch.addmm(e.square().sum(-1) / 2, h.flatten(0, -2), e.T, alpha=-1).argmin(-1).reshape(h.shape[:-1])

    def start(self, h: Tensor) -> None:
        self._begin(F.layer_norm(h, h.shape[-1:]))

    @torch.no_grad()
    def _begin(self, h: Tensor) -> None:
        """k-means on some vectors per code; where there are fewer than codes, on slightly moved copies."""
        h = h[torch.randperm(len(h))[: PER_CODE * self.num_codes].to(h.device)]
        if len(h) < self.num_codes:
            h = h.repeat(-(-self.num_codes // len(h)), 1)
            h = h + 1e-2 * h.std(0) * torch.randn_like(h)
        self.book.initted.fill_(False)
        self.book.init_embed_(h.float().unsqueeze(0))

    @torch.no_grad()
    def learn(self, found: Quantized) -> None:
        h = found.vectors.detach().flatten(0, -2)
        self.batches += 1
        if int(self.batches) in AGAIN:
            self._begin(h)
        elif self.ema or self.revival:
            fair = len(h) / self.num_codes  # vectors of a batch per code, were all alike
            self.book.threshold_ema_dead_code = self.book.reset_cluster_size = DEAD * fair
            self.book.update_indices(h, found.codes.flatten())


class ScalarQuantizer(Quantizer):
    """Each of a few numbers is bounded and rounded to one of 3 to 8 levels; a code is a combination: there is no book.

    References: Mentzer et al., Finite Scalar Quantization: VQ-VAE Made Simple (2024), §3.1. The rounding is that of
    vector-quantize-pytorch.

    Arguments: num_codes K, a product of numbers from 3 to 8.
    """

    def __init__(self, num_codes: int) -> None:
        super().__init__()
        levels = scalar_levels(num_codes)
        if levels is None:
            raise RequestError(
                f"model.codebook_size is {num_codes}, and quantizer=fsq makes it of scalars with 3 to 8 levels each; "
                "take a product of such numbers, such as 64, 240, 512 or 1000."
            )
        self.num_codes, self.dim = num_codes, len(levels)
        self.rounding: Any = importlib.import_module("vector_quantize_pytorch").FSQ(list(levels))

    def forward(self, h: Tensor) -> Quantized:
        values, codes = self.rounding(h.flatten(0, -2).unsqueeze(0))
        none = h.new_zeros(h.shape[:-1])
        return Quantized(h, codes.reshape(h.shape[:-1]).long(), values.reshape(h.shape), none, none)

    def look_up(self, codes: Tensor) -> Tensor:
        return F.embedding(codes, self.rounding.implicit_codebook)


def scalar_levels(num_codes: int) -> tuple[int, ...] | None:
    """Numbers from 8 to 3 whose product is `num_codes`, the largest first; None where there are none."""
    if LEAST_LEVELS <= num_codes <= MOST_LEVELS:
        return (num_codes,)
    for level in range(MOST_LEVELS, LEAST_LEVELS - 1, -1):
        if num_codes % level == 0 and (rest := scalar_levels(num_codes // level)) is not None:
            return (level, *rest)
    return None


def perplexity(counts: Tensor) -> Tensor:
    """exp H of the shares of counts [K]: how many codes would do, were all used alike."""
    shares = counts / counts.sum().clamp(min=1)
    return torch.special.entr(shares).sum().exp()


def count_codes(codes: Tensor, num_codes: int) -> Tensor:
    """How often each code occurs, [K]."""
    flat = codes.flatten()
    return torch.zeros(num_codes, device=codes.device).scatter_add_(0, flat, torch.ones_like(flat, dtype=torch.float32))


def _library() -> Any:
    return importlib.import_module("vector_quantize_pytorch.vector_quantize_pytorch")
