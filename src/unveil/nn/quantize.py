"""From vectors to codes and back: a learned book of vectors, or rounded scalars."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import RequestError

DECAY = 0.99  # of the averages that a book follows: about the last 100 batches
DEAD = 0.05  # the share of a fair part of the vectors below which a code counts as dead, and is revived
SMOOTHING = 1e-5  # vectors that every code is taken to have been chosen by beforehand
PER_CODE, ROUNDS = 20, 10  # vectors that k-means looks at, per code, and its rounds
AGAIN = (25, 50, 100, 200, 400, 800)  # batches after which a book begins anew, left behind by a fast encoder
MOST_LEVELS, LEAST_LEVELS = 8, 3  # of a rounded scalar
WIDER = 1e-3  # ε, by which the bound lies beyond the outermost level, so that its slope there is not 0


@dataclass(frozen=True)
class Quantized:
    """The codes that vectors h [..., D] were quantised to.

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


class Book(nn.Module):
    """The vectors e_k [K, D] of K codes and, of the vectors h_i with codes c_i, the averages that e_k can follow.

    n_k ← γ n_k + (1 − γ) Σ_i 1[c_i = k] and m_k ← γ m_k + (1 − γ) Σ_i 1[c_i = k] h_i; then e_k = m_k/ñ_k with
    ñ_k = N (n_k + ε)/(N + K ε), N = Σ_k n_k.

    References: van den Oord et al., Neural Discrete Representation Learning (2017), appendix A.1.

    Arguments: num_codes K; dim D; learns, whether e is a parameter. The buffers have the names and the shapes [1, K, …]
    that saved runs know them by.
    """

    initted: Tensor
    cluster_size: Tensor
    embed_avg: Tensor
    embed: Tensor

    def __init__(self, num_codes: int, dim: int, learns: bool) -> None:
        super().__init__()
        e = torch.zeros(1, num_codes, dim)
        self.register_buffer("initted", torch.tensor(False))
        self.register_buffer("cluster_size", torch.ones(1, num_codes))
        self.register_buffer("embed_avg", e.clone())
        if learns:
            self.embed = nn.Parameter(e)
        else:
            self.register_buffer("embed", e)

    def begin(self, h: Tensor) -> None:
        """e and its averages from the centres that k-means finds among h [N, D], N ≥ K."""
        centres, counts = k_means(h, self.embed.shape[1])
        self.embed_avg[0] = centres * counts.unsqueeze(-1)
        self.cluster_size[0] = counts
        self.move()
        self.initted.fill_(True)

    def average(self, h: Tensor, codes: Tensor) -> None:
        """n and m after a batch of vectors h [N, D] with codes [N]."""
        chosen = F.one_hot(codes, self.embed.shape[1]).to(h.dtype)  # [N, K]
        self.cluster_size[0].lerp_(chosen.sum(0), 1 - DECAY)
        self.embed_avg[0].lerp_(chosen.T @ h, 1 - DECAY)

    def move(self) -> None:
        """e_k = m_k/ñ_k."""
        n, K = self.cluster_size, self.embed.shape[1]
        N = n.sum(-1, keepdim=True)
        self.embed.copy_(self.embed_avg / ((n + SMOOTHING) / (N + K * SMOOTHING) * N).unsqueeze(-1))

    def revive(self, h: Tensor, least: float) -> None:
        """Each code with n_k below `least` is set onto a vector of h [N, D], with n_k = `least`; at most N of them."""
        dead = (self.cluster_size[0] < least).nonzero().squeeze(-1)
        if len(dead) > len(h):
            dead = _some(dead, len(h)).sort().values
        if len(dead):
            found = _some(h, len(dead))
            self.embed[0, dead], self.embed_avg[0, dead], self.cluster_size[0, dead] = found, found * least, least


class VectorQuantizer(Quantizer):
    """c = argmin_k ‖h − e_k‖, h standardised over its D numbers; the gradient of e_c goes to h as it is.

    e_k follows the average of the vectors that chose it (EMA), or the gradient of ‖sg(h) − e_c‖². A code that hardly
    any vector chooses is set onto a vector of the batch (revival). k-means is the start, and anew a few times early on.

    References: van den Oord et al., Neural Discrete Representation Learning (2017), eq. 1–3; Dhariwal et al., Jukebox
    (2020), §3, for the revival; Łańcucki et al., Robust Training of Vector Quantized Bottleneck Models (2020), k-means.

    Arguments: num_codes K; dim D; ema, how the book learns; revival, whether dead codes are revived.
    """

    batches: Tensor

    def __init__(self, num_codes: int, dim: int, *, ema: bool = True, revival: bool = True) -> None:
        super().__init__()
        self.num_codes, self.dim, self.ema, self.revival = num_codes, dim, ema, revival
        self.book = Book(num_codes, dim, learns=not ema)
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    @property
    def vectors(self) -> Tensor:
        """e, [K, D]."""
        return self.book.embed[0]

    def forward(self, h: Tensor) -> Quantized:
        h = F.layer_norm(h, h.shape[-1:])
        codes = nearest_centre(h.detach().flatten(0, -2), self.vectors.detach()).reshape(h.shape[:-1])
        e = self.look_up(codes)
        commitment = (h - e.detach()).square().sum(-1)
        book = torch.zeros_like(commitment) if self.ema else (h.detach() - e).square().sum(-1)
        return Quantized(h, codes, h + (e - h).detach(), commitment, book)

    def look_up(self, codes: Tensor) -> Tensor:
        return F.embedding(codes, self.vectors)

    def start(self, h: Tensor) -> None:
        self._begin(F.layer_norm(h, h.shape[-1:]))

    @torch.no_grad()
    def _begin(self, h: Tensor) -> None:
        """k-means on some vectors per code; where there are fewer than codes, on slightly moved copies."""
        h = h[torch.randperm(len(h))[: PER_CODE * self.num_codes].to(h.device)]
        if len(h) < self.num_codes:
            h = h.repeat(-(-self.num_codes // len(h)), 1)
            h = h + 1e-2 * h.std(0) * torch.randn_like(h)
        self.book.begin(h.float())

    @torch.no_grad()
    def learn(self, found: Quantized) -> None:
        h = found.vectors.detach().flatten(0, -2)
        self.batches += 1
        if int(self.batches) in AGAIN:
            self._begin(h)
        elif self.ema or self.revival:
            self.book.average(h.float(), found.codes.flatten())
            if self.ema:
                self.book.move()
            if self.revival:
                self.book.revive(h.float(), DEAD * len(h) / self.num_codes)


class ScalarQuantizer(Quantizer):
    """Each of a few numbers is bounded and rounded to one of 3 to 8 levels; a code is a combination: there is no book.

    f(h) = a tanh(h + atanh(o/a)) − o with a = ½ (L − 1)(1 + ε) and o = ½ where L is even, else 0. Then
    e = round f(h)/⌊L/2⌋, with the gradient of f (straight through).

    References: Mentzer et al., Finite Scalar Quantization: VQ-VAE Made Simple (2024), §3.1 and appendix A.1.

    Arguments: num_codes K, a product of numbers from 3 to 8.
    """

    levels: Tensor
    middle: Tensor  # ⌊L/2⌋
    place: Tensor  # of each number in a code, 1, L₁, L₁L₂, …
    vectors: Tensor  # of each code, [K, D]

    def __init__(self, num_codes: int) -> None:
        super().__init__()
        levels = scalar_levels(num_codes)
        if levels is None:
            raise RequestError(
                f"model.codebook_size is {num_codes}, and quantizer=fsq makes it of scalars with 3 to 8 levels each; "
                "take a product of such numbers, such as 64, 240, 512 or 1000."
            )
        self.num_codes, self.dim = num_codes, len(levels)
        L = torch.tensor(levels)
        middle, place = L // 2, torch.cumprod(torch.tensor([1, *levels[:-1]]), 0)
        values = (torch.arange(num_codes).unsqueeze(-1) // place % L - middle) / middle
        for name, value in (("levels", L), ("middle", middle), ("place", place), ("vectors", values)):
            self.register_buffer(name, value, persistent=False)

    def forward(self, h: Tensor) -> Quantized:
        bounded = self._bounded(h)
        rounded = bounded.round()
        codes = ((rounded + self.middle) * self.place).sum(-1).long()
        none = h.new_zeros(h.shape[:-1])
        return Quantized(h, codes, (bounded + (rounded - bounded).detach()) / self.middle, none, none)

    def _bounded(self, h: Tensor) -> Tensor:
        """f(h), [..., D]."""
        a = (self.levels - 1) * (1 + WIDER) / 2
        o = torch.where(self.levels % 2 == 0, 0.5, 0.0)
        return (h + (o / a).atanh()).tanh() * a - o

    def look_up(self, codes: Tensor) -> Tensor:
        return F.embedding(codes, self.vectors)


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


def k_means(h: Tensor, num_codes: int) -> tuple[Tensor, Tensor]:
    """K centres [K, D] of vectors h [N, D], N ≥ K, from K of them on, and how many vectors each was the nearest of [K].

    References: Lloyd, Least Squares Quantization in PCM (1982).
    """
    centres, counts = _some(h, num_codes), h.new_zeros(num_codes)
    for _ in range(ROUNDS):
        nearest = nearest_centre(h, centres)
        counts = count_codes(nearest, num_codes)
        sums = torch.zeros_like(centres).index_add_(0, nearest, h)
        held = counts.unsqueeze(-1)
        centres = torch.where(held > 0, sums / held.clamp(min=1), centres)
    return centres, counts


def nearest_centre(h: Tensor, e: Tensor) -> Tensor:
    """argmin_k ‖e_k‖²/2 − h·e_k, [N], of h [N, D] and e [K, D]."""
    return torch.addmm(e.square().sum(-1) / 2, h, e.T, alpha=-1).argmin(-1)


def _some(h: Tensor, count: int) -> Tensor:
    """As many rows of h [N, D], each once."""
    return h[torch.randperm(len(h), device=h.device)[:count]]
