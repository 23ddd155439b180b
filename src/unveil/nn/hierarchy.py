"""The networks between the latent groups of a hierarchical model, from above or from below."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from .blocks import Both, GridLayer, Level, blocks, resample
from .masking import join_label
from .mlp import perceptron
from .residual import small, unbiased

Gaussian = tuple[Tensor, Tensor]  # mean and log standard deviation [..., D]
Choose = Callable[[int, Gaussian | None, Gaussian | None], Tensor]  # (l, p, q) → z_l [..., D]
MOST = 5.0  # |log σ| at most, and log σ_q − log σ_p


@dataclass(frozen=True)
class Pass:
    """One way through the ladder.

    Arguments: z, L groups [..., D_l], z1 first; p(z_l|z_>l) of all groups but the top; q of each, where x was given; h,
    from which `decode` makes the features of the likelihood.
    """

    z: tuple[Tensor, ...]
    p: tuple[Gaussian, ...]
    q: tuple[Gaussian, ...]
    h: Tensor


class Ladder(nn.Module, ABC):
    """Networks of p(z_l|z_>l), of q and of p(x|z), for L groups of sizes D_l, z1 first. Labels are C numbers."""

    downward: ClassVar[bool]  # whether q is a product of q(z_l|z_>l, x)
    sizes: tuple[int, ...]

    @abstractmethod
    def features(self, x: Tensor, label: Tensor | None) -> tuple[Tensor, ...]:
        """The features of x [B, *shape] that q uses: tensors [B, …]."""

    @abstractmethod
    def top(self, features: tuple[Tensor, ...]) -> Gaussian | None:
        """q(z_L|x), where it does not depend on another group."""

    @abstractmethod
    def forward(self, choose: Choose, features: tuple[Tensor, ...] | None, label: Tensor | None) -> Pass:
        """Visit every group once; `choose` makes its z from its p and q. Without features there is no q."""

    @abstractmethod
    def decode(self, h: Tensor) -> Tensor:
        """Features of the likelihood [..., M·D]."""

    @abstractmethod
    def parts(self) -> tuple[list[nn.Module], list[nn.Module]]:
        """The modules of p and those of q; a module that both use is in both lists."""


class TopDown(Ladder):
    """x → features, upwards; then z_L, …, z_1 downwards, p and q along the same way.

    h_L = W z_L,   h_l = block(h_{l+1} + W z_{l+1}),   p(z_l|z_>l) = N(μ(h_l), σ(h_l)²)
    q(z_l|z_>l, x) = N(μ + σ·Δμ, (σ·Δσ)²) with Δμ and Δσ from h_l and the features of x at that level

    At Δμ = 0 and Δσ = 1 a group says nothing of x: that is where training starts from.

    References: Sønderby et al., Ladder Variational Autoencoders (2016); Vahdat & Kautz, NVAE (2020), §3.2 (residual
    distributions); Child, Very Deep VAEs (2021), §3.1 (the last layer of a block starts at 1/√depth).

    Arguments:
        levels: of the groups, z1 first.
        stem: x → features of the lowest level.
        head: features of the lowest level → those of the likelihood.
        depth: residual blocks before each group, on either way.
        num_classes: C.
    """

    downward = True

    def __init__(
        self, levels: Sequence[Level], stem: nn.Module, head: nn.Module, *, depth: int, num_classes: int = 0
    ) -> None:
        super().__init__()
        self.sizes, self.cells = tuple(level.size for level in levels), [level.num_cells for level in levels]
        self.stem, self.head = stem, head
        share = 1 / math.sqrt(max(1, depth) * len(levels))
        bottom, *_, top = levels
        below, above = levels[:-1], levels[1:]
        self.label = nn.Linear(num_classes, bottom.width, bias=False) if num_classes else None
        self.up = nn.ModuleList(map(resample, [bottom, *below], levels))
        fresh = [i == 0 or level.num_cells == 1 or level != levels[i - 1] for i, level in enumerate(levels)]
        self.climb = nn.ModuleList(
            blocks(level, depth * is_fresh, share) for level, is_fresh in zip(levels, fresh, strict=True)
        )
        self.seen = nn.ModuleList(nn.Linear(level.width, level.inner) for level in levels)
        self.q_state = nn.ModuleList(nn.Linear(level.width, level.inner, bias=False) for level in below)
        self.q_head = nn.ModuleList(_mixed_moments(level) for level in levels)
        self.p_head = nn.ModuleList(_moments(level) for level in below)
        self.down = nn.ModuleList(map(resample, above, below))
        self.fall = nn.ModuleList(blocks(level, depth, share) for level in [bottom, *below])
        quiet = (unbiased(small(nn.Linear(level.latents, level.width), 0.1)) for level in below)
        self.enter = nn.ModuleList(quiet)  # a group that says nothing yet is noise to those below
        self.enter.append(nn.Linear(top.latents * top.num_cells + num_classes, top.num_cells * top.width))
        self.top_width = top.width

    def features(self, x: Tensor, label: Tensor | None) -> tuple[Tensor, ...]:
        h = self.stem(x)  # [B, P, C]
        if self.label is not None:
            h = h + self.label(label).unsqueeze(1)
        found = []
        for up, climb, seen in zip(self.up, self.climb, self.seen, strict=True):
            h = climb(up(h))
            found.append(seen(h))
        return tuple(found)

    def top(self, features: tuple[Tensor, ...]) -> Gaussian:
        return self._gaussian(self.q_head[-1], features[-1])

    def forward(self, choose: Choose, features: tuple[Tensor, ...] | None, label: Tensor | None) -> Pass:
        last = len(self.sizes) - 1
        q_top = None if features is None else self.top(features)
        z, q = [choose(last, None, q_top)], [q_top]
        p: list[Gaussian] = []
        lead = z[0].shape[:-1]
        h = self._enter_top(z[0], label)
        for i in reversed(range(last)):
            h = self.fall[i + 1](self.down[i](h))  # [N, P, C]
            p_i = self._gaussian(self.p_head[i], h, lead)
            q_i = None if features is None else self._residual(i, h, features[i], p_i)
            z_i = choose(i, p_i, q_i)
            h = h + self.enter[i](z_i.reshape(len(h), self.cells[i], -1))
            z, p, q = [z_i, *z], [p_i, *p], [q_i, *q]
        return Pass(tuple(z), tuple(p), tuple(g for g in q if g is not None), h)

    def decode(self, h: Tensor) -> Tensor:
        return self.head(self.fall[0](h))

    def parts(self) -> tuple[list[nn.Module], list[nn.Module]]:
        both = [self.p_head, self.down, *list(self.fall)[1:], *list(self.enter)[1:]]
        q = [self.stem, self.up, self.climb, self.seen, self.q_state, self.q_head]
        label = [] if self.label is None else [self.label]
        return [*both, self.fall[0], self.enter[0], self.head], [*both, *q, *label]

    def _enter_top(self, z: Tensor, label: Tensor | None) -> Tensor:
        h: Tensor = self.enter[-1](join_label(z, label).flatten(0, -2))
        return h.unflatten(1, (-1, self.top_width))

    def _gaussian(self, head: nn.Module, h: Tensor, lead: torch.Size | None = None) -> Gaussian:
        moments = head(h).to(_dtype(head)).unflatten(-1, (2, -1))  # [N, P, 2, c]
        mean, log_scale = moments.select(-2, 0).flatten(1), moments.select(-2, 1).flatten(1)
        if lead is not None:
            mean, log_scale = mean.reshape(*lead, -1), log_scale.reshape(*lead, -1)
        return mean, bounded(log_scale)

    def _residual(self, i: int, h: Tensor, seen: Tensor, p: Gaussian) -> Gaussian:
        state = (self.q_state[i](h).unflatten(0, (-1, len(seen))) + seen).flatten(0, 1)
        shift, log_ratio = self._gaussian(self.q_head[i], state, p[0].shape[:-1])
        return p[0] + p[1].exp() * shift, p[1] + log_ratio


class BottomUp(Ladder):
    """The plain Markov chain: q(z1|x) q(z2|z1) … q(z_L|z_{L−1}) upwards, p(z_L) p(z_{L−1}|z_L) … p(x|z1) downwards.

    Nothing is shared, and each step is a perceptron of the group before. With every q a fixed addition of noise, and
    many groups of the size of x, it is a diffusion.

    References: Rezende, Mohamed & Wierstra (2014), §2; Sohl-Dickstein et al. (2015), eq. 2–4, for the fixed q.

    Arguments:
        sizes: D_l, z1 first.
        encoder: x → features [B, F].
        decoder: z1 → features of the likelihood.
        width, depth: of the perceptrons.
        num_classes: C.
    """

    downward = False

    def __init__(
        self,
        sizes: Sequence[int],
        encoder: nn.Module,
        decoder: nn.Module,
        *,
        width: int,
        depth: int,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        self.sizes, self.num_classes = tuple(sizes), num_classes
        self.encoder, self.decoder = encoder, decoder
        num_features: int = encoder.num_features  # type: ignore[assignment]
        inputs = [num_features + num_classes, *(size + num_classes for size in sizes[:-1])]
        first, *others = zip(inputs, sizes, strict=True)
        self.up = nn.ModuleList([_step(*first, 0, 0), *(_step(*step, width, depth) for step in others)])
        pairs = zip(sizes[1:], sizes[:-1], strict=True)
        self.down = nn.ModuleList(_step(above + num_classes, below, width, depth) for above, below in pairs)

    def features(self, x: Tensor, label: Tensor | None) -> tuple[Tensor, ...]:
        h = self.encoder(x)
        return (h,) if label is None else (h, label)

    def top(self, features: tuple[Tensor, ...]) -> Gaussian | None:
        return None

    def forward(self, choose: Choose, features: tuple[Tensor, ...] | None, label: Tensor | None) -> Pass:
        if features is None:
            z, p = self._descend(choose, label)
            return Pass(z, p, (), join_label(z[0], label))
        z, q = self._ascend(choose, features[0], label)
        p = tuple(_split(step, join_label(above, label)) for step, above in zip(self.down, z[1:], strict=True))
        return Pass(z, p, q, join_label(z[0], label))

    def _ascend(
        self, choose: Choose, h: Tensor, label: Tensor | None
    ) -> tuple[tuple[Tensor, ...], tuple[Gaussian, ...]]:
        z: list[Tensor] = []
        q: list[Gaussian] = []
        for i, step in enumerate(self.up):
            q.append(_split(step, join_label(z[-1] if z else h, label)))
            z.append(choose(i, None, q[-1]))
        return tuple(z), tuple(q)

    def _descend(self, choose: Choose, label: Tensor | None) -> tuple[tuple[Tensor, ...], tuple[Gaussian, ...]]:
        z = [choose(len(self.sizes) - 1, None, None)]
        p: list[Gaussian] = []
        for i in reversed(range(len(self.down))):
            p.insert(0, _split(self.down[i], join_label(z[0], label)))
            z.insert(0, choose(i, p[0], None))
        return tuple(z), tuple(p)

    def decode(self, h: Tensor) -> Tensor:
        return self.decoder(h)

    def parts(self) -> tuple[list[nn.Module], list[nn.Module]]:
        return [self.down, self.decoder], [self.encoder, self.up]


def bounded(log_scale: Tensor) -> Tensor:
    """5 tanh(s/5): close to s where s is small, and never beyond ±5."""
    return MOST * torch.tanh(log_scale / MOST)


def _moments(level: Level) -> nn.Sequential:
    """Features → mean and log scale of a cell's latents, both near 0 at the start."""
    linear = level.num_cells == 1
    last = nn.Linear((1 + linear) * level.width, 2 * level.latents)
    return nn.Sequential(Both() if linear else nn.SiLU(), unbiased(small(last, 0.3)))


def _mixed_moments(level: Level) -> nn.Sequential:
    """As `_moments`, from the narrower features that join q and x; on a grid after a convolution."""
    if level.num_cells == 1:
        return _moments(level)
    last = unbiased(small(nn.Linear(level.inner, 2 * level.latents), 0.3))
    return nn.Sequential(GridLayer(level.cells, level.inner), last)


def _step(inputs: int, outputs: int, width: int, depth: int) -> nn.Module:
    """Mean and log scale of a group from the one before, with a linear path; of no width, that path alone."""
    linear = unbiased(small(nn.Linear(inputs, 2 * outputs), 0.5))
    if not width:
        return linear
    last = small(nn.Linear(width, 2 * outputs, bias=False), 0.3)
    return Sum(linear, nn.Sequential(perceptron(inputs, width, depth), last))


class Sum(nn.Module):
    """f(h) + g(h)."""

    def __init__(self, *terms: nn.Module) -> None:
        super().__init__()
        self.terms = nn.ModuleList(terms)

    def forward(self, h: Tensor) -> Tensor:
        first, second = (term(h) for term in self.terms)
        return first + second


def _split(step: nn.Module, h: Tensor) -> Gaussian:
    mean, log_scale = step(h).to(_dtype(step)).chunk(2, -1)
    return mean, bounded(log_scale)


def _dtype(module: nn.Module) -> torch.dtype:
    return next(module.parameters()).dtype
