"""The posteriors of all examples together, q(z) = 1/N Σ_n q(z|x_n), beside the prior: the rate cut in two, and islands.

rate = E_n[KL(q(z|x_n)‖p(z))] = I_q(x; z) + KL(q(z)‖p(z))

I_q(x; z) = E_n E_q(z|x_n)[log q(z|x_n) − log q(z)] is what z tells of which example it came from. N examples hold
log N nats of that at most, and less than there is of it well below that: it then still rises with N.

Examples share q(z): where the posteriors of two overlap, both tell less. So the error of I_q is the jackknife's, the
spread of the pseudo-values N·I − (N − 1)·I₋ₙ over √N; I₋ₙ is without example n, as a term and as a part of q(z).

References: Efron & Stein, The Jackknife Estimate of Variance (1981): it errs upwards; Hoffman & Johnson, ELBO Surgery:
yet another way to carve up the variational evidence lower bound (2016).
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..data import Split
from ..data.rowblocks import blocks
from ..distributions.real_latents import Pushforward
from ..errors import RequestError
from ..files import Plain
from ..model import Model, Posterior, device_of, evaluating, require_latents
from ..ops import keyed, mean_and_error
from .finding import Finding
from .islands import marginal_kl, separation

DRAWS = 2000  # of q(z) where the examples are fewer than that; else, and of a flow, one of each
CHUNK = 2**21  # values of z beside examples that one evaluation of q holds
INVERTED = 200  # examples where q is a flow, which a density has to invert: N² times
NEAR_CAP = 0.2  # nats below log N from which the mutual information is only "at least"
RISING = 0.05  # nats, from half of the examples to all of them, above which it is only that, too

# What stands between the healthy and the sick, as the cases of bench/healthy.py measured them (2 seeds, mnist 1; VAEs
# after 500 to 1,500 steps; 150 to 2,000 held-out examples). Worst marginal: 0.02–0.13 nat in VAEs with β = 1 on digits,
# mnist, moons, shapes and a table, with 2 to 32 latents and three priors, in pPCA and in a mixture; 0.48–2.1 with
# β ≤ 0.001. AUC: 0.46–0.68 in the healthy (0.75 on digits after only 300 steps), but 0.83–0.97 on shapes, whose factors
# have edges that no N(0, I) follows while each marginal does; 0.87–1.00 in the sick.
MARGINAL, AUC = 0.25, 0.75


@dataclass(frozen=True)
class Aggregate(Plain):
    """The aggregate posterior q(z) of N examples beside p(z), in nats.

    Arguments:
        num_examples: N.
        rate: E_n[KL(q(z|x_n)‖p(z))], and rate_stderr.
        information: I_q(x; z), and information_stderr.
        kl: KL(q(z)‖p(z)) = rate − information, and kl_stderr.
        cap: log N, the most that the mutual information can be.
        capped: whether it is that, but for 0.2 nat: then it is at least `information`, and the KL at most `kl`.
        rising: what `information` gains from half of the examples to all: 0 where N is plenty, log 2 at the cap.
        kl_per_dim: KL(q(z_d)‖p(z_d)) in bins, from draws; in the prior's base space, where it has one.
        spread_per_dim: the standard deviation of q(z_d) over that of p(z_d).
        auc: of a classifier that tells draws of q(z) from draws of p(z) on held-out examples, and auc_stderr.
        holes: the share of draws of p(z) where there are hardly any codes (1 % in a match), and holes_stderr.
        fewer: why fewer examples were looked at than asked for; "" where they were not.
    """

    num_examples: int
    rate: float
    rate_stderr: float
    information: float
    information_stderr: float
    kl: float
    kl_stderr: float
    cap: float
    capped: bool
    rising: float
    kl_per_dim: tuple[float, ...]
    spread_per_dim: tuple[float, ...]
    auc: float
    auc_stderr: float
    holes: float
    holes_stderr: float
    fewer: str = ""

    @property
    def words(self) -> str:
        short = self.capped or self.rising > RISING
        least, most = ("at least ", "at most ") if short else ("", "")
        why = f" (it still rises by {self.rising:.2f} from half of the examples to all of them)" if short else ""
        if self.capped:
            why = f" ({self.num_examples:,} examples cannot show more than log N = {self.cap:.2f})"
        return (
            f"The rate is {self.rate:.2f} nats. Of these, {least}{self.information:.2f} ± "
            f"{self.information_stderr:.2f} tell about x: they are mutual information of x and z{why}. The other "
            f"{most}{self.kl:.2f} ± {self.kl_stderr:.2f} are wasted: they are the distance of q(z) from the prior."
        )

    def to_json(self) -> dict[str, Any]:
        return super().to_json() | {"words": self.words}

    def findings(self) -> list[Finding]:
        """`islands`: q(z) is not where p(z) is, by its marginals and by the classifier."""
        worst = max(self.kl_per_dim)
        if worst < MARGINAL or not self.auc - 2 * self.auc_stderr > AUC:
            return []
        off, D = sum(v >= MARGINAL for v in self.kl_per_dim), len(self.kl_per_dim)
        sentence = (
            "The prior draws z where held-out examples have no codes. A classifier tells the two apart with an AUC of "
            f"{self.auc:.3f} ± {self.auc_stderr:.3f}, where 0.5 is a match. {off} of {D} dimensions differ by "
            f"{MARGINAL} nat or more, the worst by {worst:.1f}. {100 * self.holes:.0f} % of the prior's draws lie "
            "where there are no codes. Samples from there show what the decoder never learned."
        )
        remedy = (
            "Give the rate its full weight: --objective elbo, or objective.beta=1 or more. Or take a prior that moves "
            "to the codes: prior=mixture, vamp or realnvp, and train.prior_share=0.2, which trains it alone at the end."
        )
        return [Finding("islands", sentence, self.auc, remedy)]


@dataclass(frozen=True)
class Encoded:
    """Some examples, with K draws of each and as many of the prior.

    Arguments:
        posteriors: q(z|x_n) block by block, with the size of each block.
        z: groups [K, n, …], draws of q(z|x_n).
        u, base: [K, n, D], these and draws of p(z) in the prior's base space, the groups flattened and joined.
        log_q: log q(z|x_n) at z, [K, n].
        rate: KL(q(z|x_n)‖p(z)), [n], in closed form or from the draws.
    """

    posteriors: tuple[tuple[Posterior, int], ...]
    z: tuple[Tensor, ...]
    u: Tensor
    base: Tensor
    log_q: Tensor
    rate: Tensor

    def __len__(self) -> int:
        return len(self.rate)

    def under(self, z: tuple[Tensor, ...]) -> Tensor:
        """log q(z_m|x_n) of every example at every z (groups [M, …]), [M, n] float64."""
        found = []
        for posterior, size in self.posteriors:
            spread = tuple(g.unsqueeze(1).expand(-1, size, *g.shape[1:]) for g in z)  # every z beside every example
            found.append(posterior.log_prob(spread).double().sum(-1))
        return torch.cat(found, 1)


@dataclass(frozen=True)
class Beside:
    """Draws of one half of the examples beside all N.

    Arguments:
        log_sums: log Σ q(z|x_n) over the examples of either half, [K, n] each.
        taken: −log(1 − q(z|x_m)/Σ_n q(z|x_n)), the mean over draws and the sum over those of other examples, [N]: what
            these draws would tell more of their own examples without example m.
    """

    log_sums: tuple[Tensor, Tensor]
    taken: Tensor


def _beside(halves: tuple[Encoded, Encoded], half: int) -> Beside:
    """The draws of a half; N densities for each of them, in blocks."""
    drawn = halves[half].z
    (K, n), first = drawn[0].shape[:2], half * len(halves[0])
    owner, z = torch.arange(first, first + n).repeat(K), tuple(g.flatten(0, 1) for g in drawn)
    N = sum(map(len, halves))
    step = max(1, CHUNK // (N * sum(g[0].numel() for g in z)))
    sums: list[list[Tensor]] = [[], []]
    taken = torch.zeros(N, dtype=torch.float64, device=z[0].device)
    for own, *part in zip(owner.split(step), *(g.split(step) for g in z), strict=True):
        under = [by.under(tuple(part)) for by in halves]
        for found, log_q in zip(sums, under, strict=True):
            found.append(log_q.logsumexp(1))
        share = torch.cat(under, 1).softmax(1).clamp(max=1 - 1e-12)  # of each example in Σ_n q(z|x_n)
        share[torch.arange(len(own)), own] = 0
        taken -= torch.log1p(-share).sum(0) / K
    return Beside((torch.cat(sums[0]).unflatten(0, (K, n)), torch.cat(sums[1]).unflatten(0, (K, n))), taken)


@torch.no_grad()
def aggregate(model: Model, split: Split, *, seed: int = 0, limit: int = 2000) -> Aggregate:
    """q(z) of held-out examples, evenly spread over the split, beside p(z).

    The density of every draw under every q is computed: N² of them, in blocks.

    Arguments: seed, of the draws; limit, the most examples to look at.
    """
    require_latents(model, "The aggregate posterior")
    model.require("The aggregate posterior", {"log_w"})
    held_out = split.spread(limit)
    if len(held_out) < 4:
        raise RequestError(f"{len(held_out)} examples came; the aggregate posterior takes at least 4.")
    with evaluating(model):
        held_out, num_draws, fewer = _affordable(model, held_out)
        halves = _encode(model, held_out, 0, num_draws, seed), _encode(model, held_out, 1, num_draws, seed)
    return _compared(halves, fewer, seed)


def _affordable(model: Model, split: Split) -> tuple[Split, int, str]:
    """Examples, draws of each, and why fewer: a density under another example's q may take a pass of networks."""
    with keyed("aggregate", "first"):  # x may be a fresh draw, and a label that is not known is inferred from draws
        posterior = model.posterior(split.batch(torch.arange(1, device=split.x.device)).to(device_of(model)))
    inverts = isinstance(posterior.distribution, Pushforward)
    if not inverts and len(model.groups) == 1:
        return split, max(1, DRAWS // len(split)), ""
    if len(split) <= INVERTED:
        return split, 1, ""
    cost = "q is a flow that each density inverts" if inverts else "each density under q is a pass of the networks"
    why = f"{INVERTED} examples instead of {len(split):,}, because {cost}"
    return split.spread(INVERTED), 1, why


def _encode(model: Model, split: Split, half: int, num_draws: int, seed: int) -> Encoded:
    """The even (0) or odd (1) examples."""
    rows = torch.arange(half, len(split), 2)
    found = [
        _encode_block(model, split, rows[block.own], num_draws, ("aggregate", seed, half, i))
        for i, block in enumerate(blocks(len(rows)))
    ]
    return Encoded(
        tuple(q for block in found for q in block.posteriors),
        tuple(torch.cat(groups, 1) for groups in zip(*(block.z for block in found), strict=True)),
        torch.cat([block.u for block in found], 1),
        torch.cat([block.base for block in found], 1),
        torch.cat([block.log_q for block in found], 1),
        torch.cat([block.rate for block in found]),
    )


def _encode_block(model: Model, split: Split, rows: Tensor, num_draws: int, key: tuple[int | str, ...]) -> Encoded:
    with keyed(*key):
        batch = split.batch(rows).to(device_of(model))
        posterior = model.posterior(batch)
        z, log_q = posterior.draw(num_draws)
        drawn = [model.draw_prior(len(batch), model.label(batch)) for _ in range(num_draws)]
        prior = tuple(torch.stack(groups) for groups in zip(*drawn, strict=True))
        kl = model.expected_kl(posterior)
        rate = (log_q - model.joint(batch, z).log_pz).mean(0) if kl is None else kl  # [n, L]
    space = model.coordinates(batch)
    u, base = (torch.cat([g.flatten(2).double() for g in space.to_u(each)], -1) for each in (_wide(z), _wide(prior)))
    return Encoded(((posterior, len(batch)),), z, u, base, log_q.double().sum(-1), rate.double().sum(-1))


def _wide(z: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Groups of integers [K, n] as [K, n, 1]."""
    return tuple(g.unsqueeze(-1) if g.ndim == 2 else g for g in z)


def _compared(halves: tuple[Encoded, Encoded], fewer: str, seed: int) -> Aggregate:
    N = sum(map(len, halves))
    beside = _beside(halves, 0), _beside(halves, 1)
    log_qz = [torch.logaddexp(*one.log_sums) - math.log(N) for one in beside]
    by_own_half = [beside[i].log_sums[i] - math.log(len(half)) for i, half in enumerate(halves)]
    rate = torch.cat([half.rate for half in halves])
    information = torch.cat([(half.log_q - log_q).mean(0) for half, log_q in zip(halves, log_qz, strict=True)])
    pseudo = information + (N - 1) * math.log(N / (N - 1)) - (beside[0].taken + beside[1].taken)  # N·I − (N − 1)·I₋ₙ
    rising = torch.cat([(own - log_q).mean(0) for own, log_q in zip(by_own_half, log_qz, strict=True)])
    u, base = ([getattr(half, name).flatten(0, 1) for half in halves] for name in ("u", "base"))
    apart = separation((halves[0].u, halves[1].u), (halves[0].base, halves[1].base), seed)
    return Aggregate(
        N,
        *mean_and_error(rate),
        float(information.mean()),
        mean_and_error(pseudo)[1],
        float((rate - information).mean()),
        mean_and_error(rate - pseudo)[1],
        cap=math.log(N),
        capped=float(information.mean()) > math.log(N) - NEAR_CAP,
        rising=float(rising.mean()),
        kl_per_dim=tuple(marginal_kl(torch.cat(u), torch.cat(base)).tolist()),
        spread_per_dim=tuple((torch.cat(u).std(0) / torch.cat(base).std(0)).tolist()),
        **vars(apart),
        fewer=fewer,
    )
