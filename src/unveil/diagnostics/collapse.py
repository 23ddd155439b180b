"""A test of whether the decoder uses z: it swaps the z of examples and looks at the likelihood."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ..batch import Batch
from ..data import Split
from ..data.rowblocks import blocks
from ..errors import RequestError
from ..files import Plain
from ..model import Model, device_of, evaluating, require_latents
from ..ops import keyed, mean_and_error
from .activity import moments_of
from .finding import Finding
from .verdicts import WORTH

DRAWS = 4  # of z for each example
INACTIVE = 0.01  # nats that a latent tells of x, and variance of its mean over examples, below which it is dead

# What stands between the healthy and the sick, as the cases of bench/healthy.py measured them (2 seeds, mnist 1; VAEs
# after 500 to 1,500 steps; nats per example). Drop: 27 and more in VAEs with β = 1 on digits, mnist, moons, shapes and
# a table, in pPCA and in a mixture; 0.01–0.02 with β = 50, 0.17–0.18 on columns that have nothing in common, of which z
# still tells what the training rows happened to share. Rate: 2.4 and more; 0.00–0.10. Where z tells little, the drop is
# about twice the rate.
DROP, RATE = 0.5, 0.25
CLEAR = 3.0  # errors of its drop, above which a modality listens to z
OF_REAL = (
    "If objective.beta is above 1, lower it. Else train again with objective.warmup=0.5, --objective free_bits or "
    "train.encoder_steps=5. If z is then used and the bound is no better, the model can explain these x without z."
)
OF_CODES = "Train for longer, with a smaller model.commitment, or with more codes (model.latent)."


@dataclass(frozen=True)
class Collapse(Plain):
    """The worth of z to the decoder, in nats per example.

    Arguments:
        num_examples: how many were looked at.
        own: E_q[log p(x|z)] with z ∼ q(z|x).
        shuffled: the same with z of another example.
        drop: own − shuffled, and drop_stderr, over the pairs.
        drop_per_group: the drop where the z of one group alone is another example's.
        rate: KL(q(z|x)‖p(z)).
        information_per_dim: ½ log Var[z_d] − E_x[log σ_d(x)], the rate of a latent against the best Gaussian prior for
            it; or None where q has no mean and standard deviation.
        active: the latents that are not dead; or None.
        since: the training step from which on the rate stayed below 0.25 nat; or None, where it did not at the end.
        num_steps: the last training step there is a rate of; or None.
        codes: whether z is codes of a book, whose rate no weight could have pushed to 0.
        drop_per_modality: the drop of each modality of joint x and its error, over examples in which it is observed; or
            None.
    """

    num_examples: int
    own: float
    shuffled: float
    drop: float
    drop_stderr: float
    drop_per_group: tuple[float, ...]
    rate: float
    information_per_dim: tuple[float, ...] | None
    active: int | None
    since: int | None
    num_steps: int | None
    codes: bool = False
    drop_per_modality: dict[str, tuple[float, float]] | None = None

    @property
    def words(self) -> str:
        units = "" if self.active is None else f" {self.active} of {len(self.information_per_dim or ())} latents vary."
        each = (self.drop_per_modality or {}).items()
        parts = ", ".join(f"{drop:.2f} ± {error:.2f} of {name}" for name, (drop, error) in each)
        return (
            f"With the z of another example, log p(x|z) falls from {self.own:.2f} by {self.drop:.2f} ± "
            f"{self.drop_stderr:.2f} nats{f' ({parts})' if parts else ''}.{units}"
        )

    def to_json(self) -> dict[str, Any]:
        return super().to_json() | {"words": self.words}

    def findings(self) -> list[Finding]:
        """`collapse`: x is as likely with another example's z; `modality_ignores_z`: one modality is.

        Dead latents are no finding: most healthy VAEs have some.
        """
        if self.drop >= DROP:
            deaf = {n: found for n, found in (self.drop_per_modality or {}).items() if found[0] <= CLEAR * found[1]}
            return [_of_modality(name, *found) for name, found in deaf.items()]
        when = "" if self.since is None else f" since step {self.since:,} of {self.num_steps:,}"
        sentence = (
            f"z carries next to nothing. With the z of another example log p(x|z) falls by only {self.drop:.3f} ± "
            f"{self.drop_stderr:.3f} nats. The rate is {self.rate:.3f} nats{when}."
        )
        return [Finding("collapse", sentence, self.drop, OF_CODES if self.codes else OF_REAL)]


def _of_modality(name: str, drop: float, error: float) -> Finding:
    return Finding(
        "modality_ignores_z",
        f"The decoder of {name} ignores z. With the z of another example log p({name}|z) falls by only {drop:.3f} ± "
        f"{error:.3f} nats.",
        drop,
        "Train for longer, or again with likelihood=joint likelihood.dropout=0.3, which hides characters from the "
        "decoder of texts.",
    )


@dataclass(frozen=True)
class _Part:
    """Examples with K draws each: z, groups [K, n, …]; rate [n]; mean and stddev [n, D], or None."""

    batch: Batch
    z: tuple[Tensor, ...]
    rate: Tensor
    moments: tuple[Tensor, Tensor] | None


@torch.no_grad()
def collapse(
    model: Model, split: Split, *, metrics: Sequence[Mapping[str, Any]] = (), seed: int = 0, limit: int = 1000
) -> Collapse:
    """Measure the worth of z on held-out examples, evenly spread over the split.

    Arguments:
        metrics: the rows of a run's metrics.jsonl, to tell since when.
        seed: of the draws and of who gets whose z.
        limit: the most examples to look at.
    """
    require_latents(model, "The test with shuffled z")
    held_out = split.spread(limit)
    if len(held_out) < 2:
        raise RequestError(f"{len(held_out)} examples came; the test gives one the z of another and takes at least 2.")
    with evaluating(model):
        parts = [
            _encode(model, held_out, block.own, ("collapse", seed, i)) for i, block in enumerate(blocks(len(held_out)))
        ]
        z = tuple(torch.cat(groups, 1) for groups in zip(*(part.z for part in parts), strict=True))
        with keyed("collapse", seed, "order"):
            order = derangement(len(held_out)).to(z[0].device)
        own, own_parts = _log_likelihood(model, parts, z)
        foreign = tuple(g[:, order] for g in z)
        shuffled, shuffled_parts = _log_likelihood(model, parts, foreign)
        alone = [own - _log_likelihood(model, parts, _replaced(z, l, foreign[l]))[0] for l in range(len(z))]
        drops = {name: own_parts[name] - shuffled_parts[name] for name in own_parts}
    since, num_steps = rate_gone_since(metrics)
    return Collapse(
        len(own),
        float(own.mean()),
        float(shuffled.mean()),
        *mean_and_error(own - shuffled),
        tuple(float(drop.mean()) for drop in alone),
        float(torch.cat([part.rate for part in parts]).mean()),
        *_activity(parts),
        since,
        num_steps,
        bool(model.codebook_size),
        _per_modality(model, parts, drops),
    )


def derangement(count: int) -> Tensor:
    """A random cycle through all of 0 … count − 1, [count]: nobody keeps its own place."""
    cycle = torch.randperm(count)
    order = torch.empty_like(cycle)
    order[cycle] = cycle.roll(1)
    return order


def _encode(model: Model, split: Split, rows: Tensor, key: tuple[int | str, ...]) -> _Part:
    with keyed(*key):
        batch = split.batch(rows).to(device_of(model))
        posterior = model.posterior(batch)
        z, log_q = posterior.draw(DRAWS)
    terms, kl = model.joint(batch, z), model.expected_kl(posterior)
    rate = (log_q - terms.log_pz).mean(0) if kl is None else kl  # [n, L]
    return _Part(batch, z, rate.double().sum(-1), moments_of(posterior))


def _log_likelihood(model: Model, parts: Sequence[_Part], z: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, Tensor]]:
    """E[log p(x_n|z_n)] over the draws z, groups [K, N, …], [N]; and of each modality, 0 where it is not observed."""
    found, first = [], 0
    for part in parts:
        last = first + len(part.batch)
        found.append(model.joint(part.batch, tuple(g[:, first:last] for g in z)))
        first = last
    names = found[0].parts if model.domain.parts is not None else {}
    each = {name: torch.cat([terms.parts[name].double().mean(0) for terms in found]) for name in names}
    return torch.cat([terms.log_px_z.double().mean(0) for terms in found]), each


def _per_modality(
    model: Model, parts: Sequence[_Part], drops: Mapping[str, Tensor]
) -> dict[str, tuple[float, float]] | None:
    """The mean and the error of each modality's drop, over the examples in which it is observed; None of other x."""
    found = {}
    for name, drop in drops.items():
        place = model.domain.places[name]
        masks = [None if part.batch.observed is None else part.batch.observed[:, place].any(1) for part in parts]
        whole = [torch.ones(len(part.batch), dtype=torch.bool, device=drop.device) for part in parts]
        seen = torch.cat([own if mask is None else mask for mask, own in zip(masks, whole, strict=True)])
        if int(seen.sum()) > 1:
            found[name] = mean_and_error(drop[seen])
    return found or None


def _replaced(z: tuple[Tensor, ...], place: int, group: Tensor) -> tuple[Tensor, ...]:
    return (*z[:place], group, *z[place + 1 :])


def _activity(parts: Sequence[_Part]) -> tuple[tuple[float, ...] | None, int | None]:
    """The nats that each latent tells of x, and the number of latents that are not dead."""
    known = [part.moments for part in parts if part.moments is not None]
    if not known:
        return None, None
    mean, stddev = (torch.cat(each).double() for each in zip(*known, strict=True))
    between = mean.var(0, correction=0)
    information = 0.5 * ((stddev**2).mean(0) + between).log() - stddev.log().mean(0)  # [D]
    dead = (information < INACTIVE) & (between < INACTIVE)
    return tuple(information.tolist()), int((~dead).sum())


def rate_gone_since(metrics: Sequence[Mapping[str, Any]]) -> tuple[int | None, int | None]:
    """(the step of the first of the last rows whose rate is below 0.25 nat, the last step), over all phases.

    Arguments: metrics, rows with "step" (from 0 in each "phase") and "valid_rate" or, where no row has that, "rate".
    """
    name = "valid_rate" if any("valid_rate" in row for row in metrics) else "rate"
    since, before, last, phase = None, 0, 0, None
    for row in metrics:
        if row.get("phase") != phase:
            before, phase = before + last, row.get("phase")
        last = row["step"]
        if name in row:
            low = row[name] < RATE
            since = (before + last if since is None else since) if low else None
    return since, before + last if metrics else None


@dataclass(frozen=True)
class Verdict(Plain):
    """The cause of a collapse.

    Arguments: kind, "optimum", "failed_optimisation" or "undecided"; sentence, why.
    """

    kind: Literal["optimum", "failed_optimisation", "undecided"]
    sentence: str


def verdict(collapsed_bound: float, live_bound: float, live_rate: float, stderr: float) -> Verdict:
    """Decide why a model collapsed: because that is best, or because training lost the way.

    It is trained again from a start whose z is alive. Where it falls back and its bound is no better, z is of no use
    for these x: the collapse is the optimum. Where z stays alive and the bound is higher, training had failed.

    References: Lucas et al., Don't Blame the ELBO! A Linear VAE Perspective on Posterior Collapse (2019); He et al.,
    Lagging Inference Networks and Posterior Collapse (2019).

    Arguments:
        collapsed_bound: on validation examples, in nats.
        live_bound, live_rate: on the same examples, after the training from a live z.
        stderr: of the difference of the two bounds.
    """
    gain, alive = live_bound - collapsed_bound, live_rate >= RATE
    better = gain > max(WORTH, 2 * stderr)
    measured = f"it ends with a rate of {live_rate:.2f} nats and a bound {gain:+.2f} ± {stderr:.2f} nats away"
    story = f"Trained again from a live z, {measured} from the collapsed one: "
    if alive and better:
        return Verdict("failed_optimisation", story + "z stays alive and pays, so it was the training that failed.")
    if alive:
        return Verdict("undecided", story + "z stays alive and gains nothing.")
    if better:
        return Verdict("undecided", story + "z falls silent again, and yet the bound is higher; train longer.")
    return Verdict("optimum", story + "z falls silent again, so these x are best explained without it.")
