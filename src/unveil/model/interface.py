"""What a model is: p(x, z), q(z|x), and `infer`, the one place where the two meet."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..batch import Batch
from ..domain import Domain
from ..errors import RequestError, nearest
from ..panels import Panel
from ..terms import Terms, expand_samples
from .modes import held
from .posterior import Posterior
from .spaces import Coordinates, Flow

Drawn = tuple[Tensor, tuple[Tensor, ...]]  # x [N, *shape], and the groups of z [N, …]
REMEDIES = {
    "log_w": "it has no sampled log-weights; use the objective or estimator 'elbo'",
    "joint": "its p(x, z) cannot be asked for at a given z; use the estimator 'elbo'",
    "exact": "its log p(x) has no closed form; use the estimator 'iwae'",
    "pathwise": "its draws carry no exact gradient; use the objective 'elbo' or, for discrete z, 'rloo'",
    "rsample": "its z cannot be reparametrised; use the objective 'rloo', posterior.relaxation=gumbel or a real z",
    "split_q": "its p and q share weights; use the objective 'iwae'",
    "marginals": "its q(z_d|x) of a single latent is not known; use the objective 'beta_elbo'",
    "enumerate": "its z cannot be enumerated; use an estimator that samples, such as 'iwae'",
    "kl": "its KL has no closed form; use an objective with a sampled rate",
    "straight_through": "it has no codes; that is for the model 'vqvae'",
    "layers": "it cannot be cut into a number of steps, as a vdm can; use the estimator 'elbo'",
    "flow": "it has no probability-flow ODE, as a vdm has; use the estimator 'elbo'",
}


class Model(nn.Module, ABC):
    """A generative story p(x, z) = p(z) p(x|z) with an inference model q(z|x).

    Attributes:
        domain: what x is.
        groups: the names of the L latent groups, top last.
        gives: facts of the built model, out of log_w, joint, rsample, pathwise (z with an exact gradient),
            conditionals (any value given any others), straight_through (z is discrete, and the gradient of what is
            decoded from it passes to the encoder as if it were not), split_q, kl, marginals, enumerate, exact, layers
            (it can be cut into T steps), flow (it has a probability-flow ODE).
        solves: "nothing", "some" (a few parameters have a closed form, refreshed once an epoch) or "all" (a training
            step is one pass of exact coordinate ascent, such as EM, over the training set).
        compiles: whether torch's compiler is tried on it.
        codebook_size: of a z of codes, how many values each can take; 0 where z is none.
        prior_share: the share of the training that the prior gets for itself at its end, unless another is asked for.
        lr_scale: of the usual learning rate, that suits the family.
        warmup: the share of the training over which the weight of the rate grows, unless another is asked for.
        starts_fitted: whether `initialise` fits a simpler model of x, so that the start may be the best there is.
        remedies: of facts that this family does not give, in place of the general ones.
        compared_steps: the numbers of steps T that a model with the fact layers is shown in.
        passes: how often its network is asked for log p(x) of an example.
        domains: the kinds of x that the family takes; empty where its likelihood decides, of x of one modality.
        fits_few_data: whether it is what to try where there are too few examples for networks.
    """

    domain: Domain
    groups: tuple[str, ...] = ("z",)
    solves: str = "nothing"
    passes: int = 1
    codebook_size: int = 0
    compiles: ClassVar[bool] = True
    prior_share: ClassVar[float] = 0.0
    lr_scale: ClassVar[float] = 1.0
    warmup: float = 0.1
    starts_fitted: bool = False
    remedies: ClassVar[Mapping[str, str]] = {}
    compared_steps: ClassVar[tuple[int, ...]] = ()
    domains: ClassVar[tuple[str, ...]] = ()
    fits_few_data: ClassVar[bool] = False
    network_dtype: torch.dtype = torch.float32  # bf16 inside networks only, and only while training
    decoder_dtype: torch.dtype | None = None  # of a decoder network, while many draws are judged; None without one
    summary: ClassVar[str] = ""
    registered: ClassVar[tuple[str, str]]

    @property
    @abstractmethod
    def gives(self) -> frozenset[str]: ...

    @abstractmethod
    def posterior(self, batch: Batch) -> Posterior: ...

    @abstractmethod
    def joint(self, batch: Batch, z: tuple[Tensor, ...]) -> Terms:
        """log p(x|z) and log p(z) at z (groups of [K, B, …]); says nothing of q."""

    def log_pz(self, batch: Batch, z: tuple[Tensor, ...]) -> Tensor:
        """log p(z) [K, B, L] alone; a family that need not decode for it says so here."""
        return self.joint(batch, z).log_pz

    @abstractmethod
    def decode(self, z: tuple[Tensor, ...] | Tensor, y: Tensor | None = None) -> Distribution:
        """p(x|z) with batch shape [K, B] or [B]; its mean and samples have the units of x.

        Arguments: z, the groups from the top one down; of one group its tensor will do.
        """

    @abstractmethod
    def sample(self, num_samples: int, y: Tensor | None = None, temperature: float = 1.0) -> Drawn:
        """(x, z) from p(x, z); `temperature` scales the spread of p(z)."""

    @abstractmethod
    def initialise(self, batch: Batch) -> None:
        """Start from the data (output bias, centring); once, on training examples, never on resume."""

    @abstractmethod
    def parameters_of(self, part: str) -> list[nn.Parameter]:
        """The parameters of "p" (prior and likelihood), "q" (inference) or "prior", and what learns of z beside it."""

    @classmethod
    def leaves_network_open(cls, domain: Domain, num_examples: int, given: Mapping[str, Any]) -> bool:
        """Whether the keys `given` leave the budget to choose between convolutions on patches and matrices alone."""
        return False

    @classmethod
    def sizes_for(
        cls, domain: Domain, x: Tensor, observed: Tensor | None, num_examples: int, given: Mapping[str, Any]
    ) -> tuple[int, int]:
        """Latents, and components of their mixture, that examples x [N, *shape] ask for; 0: the usual.

        Arguments: num_examples, to train on; given, keys of the model, and names of its parts.
        """
        return 0, 0

    def begin(self, parts: tuple[str, ...]) -> None:
        """Called when a stage of training begins, also on resume, with the parts that it trains."""

    def encode(self, batch: Batch) -> Tensor | None:
        """All that training p(z) alone takes of each example, [B, E], for `encoded_terms`; None where it takes x."""
        return None

    def encoded_terms(self, encoded: Tensor) -> Terms:
        """The terms of a new draw from q(z|x) of what `encode` gave, log p(x|z) and log q(z|x) being of an old one."""
        raise NotImplementedError

    def shown(self, x: Tensor, z: tuple[Tensor, ...], y: Tensor | None = None) -> Tensor:
        """The picture of a drawn (x, z): E[x|z], which is smoother than the draw, or x itself without latents."""
        return self.decode(z, y).mean

    def draw_labels(self, num_samples: int) -> Tensor | None:
        """Labels [N] from p(y) for a model that is conditioned on them, else None."""
        return None

    def log_label_frequency(self) -> Tensor | None:
        """log p(y) [C] of a model that is conditioned on labels, else None."""
        return None

    def label(self, batch: Batch) -> Tensor | None:
        """The label [B] of each example of a model conditioned on labels; the likeliest where it is not observed."""
        return None

    def draw_label(self, batch: Batch, z: tuple[Tensor, ...]) -> Tensor | None:
        """The labels that go with z [K, B, …]: observed ones [B], or draws from p(y|x, z) [K, B]; None without any."""
        return None

    def draw_prior(self, num_samples: int, y: Tensor | None = None) -> tuple[Tensor, ...]:
        """z groups [N, …] from p(z)."""
        return self.sample(num_samples, y)[1]

    def expected_kl(self, posterior: Posterior) -> Tensor | None:
        """KL(q_l‖p_l) per example and group [B, L] in closed form, or None."""
        return None

    def enumerate(self, batch: Batch) -> Terms:
        """All values of z with log_m = log q(z|x), for a model that gives "enumerate"."""
        raise NotImplementedError(f"{type(self).__name__} cannot enumerate z")

    def log_prob(self, batch: Batch) -> Tensor:
        """Exact log p(x) [B], for a model that gives "exact"."""
        raise NotImplementedError(f"{type(self).__name__} has no closed-form log p(x)")

    def layers(self, num_steps: int) -> Model:
        """The model cut into T steps, with the same weights, for one that gives "layers"."""
        raise NotImplementedError(f"{type(self).__name__} cannot be cut into steps")

    def flow(self, batch: Batch) -> Flow:
        """The probability-flow ODE of one batch, for a model that gives "flow"."""
        raise NotImplementedError(f"{type(self).__name__} has no probability-flow ODE")

    def true_posterior(self, batch: Batch) -> Posterior | None:
        """p(z|x) itself where it has a closed form (or is a sum over few values of z), else None."""
        return None

    def coordinates(self, batch: Batch) -> Coordinates:
        """The space in which samplers and grids move; where z is real. By default z itself."""
        return Coordinates()

    def log_conditional(self, batch: Batch, d: int) -> Tensor:
        """log p(x_d|all other values that are observed) [B], for a model that gives "conditionals"."""
        raise NotImplementedError(f"{type(self).__name__} does not know p(x_d|all others)")

    def draw_missing(self, batch: Batch, num_draws: int) -> Tensor:
        """x with its gaps drawn, [M, B, *shape], for a model that gives "conditionals"."""
        raise NotImplementedError(f"{type(self).__name__} does not know p(x_missing|x_observed)")

    def mean_missing(self, batch: Batch) -> Tensor:
        """x with the means of its gaps, [B, *shape], for a model that gives "conditionals"."""
        raise NotImplementedError(f"{type(self).__name__} does not know p(x_missing|x_observed)")

    def solve(self, batches: Callable[[], Iterable[Batch]]) -> None:
        """Set the parameters that have a closed form given everything else (coordinate ascent on the bound).

        Arguments: `batches()` yields the whole training set once, in order.
        """

    @property
    def story(self) -> str:
        """What was picked and why, for the line before a fit."""
        return ""

    def panels(self, batch: Batch) -> tuple[Panel, ...]:
        """What only this family can show of itself in a report, some of it of these examples."""
        return ()

    def rate_per_dimension(self, batch: Batch) -> Tensor | None:
        """KL(q(z_d|x)‖p(z_d)) [B, D], where both q and p are products over the dimensions of z; else None."""
        return None

    @final
    def infer(
        self,
        batch: Batch,
        num_samples: int | None = 1,
        hold: frozenset[str] = frozenset(),
        posterior: Posterior | None = None,
    ) -> Terms:
        """The terms of K posterior draws; `num_samples=None` enumerates z exactly.

        Arguments:
            hold: ⊆ {"p", "q"}, the *weights* taken as constants; z still carries the gradient of the draw, and with
                "q" held the rate is the sampled one.
            posterior: `self.posterior(batch)`, where the caller has it already (many draws from one encoding).
        """
        if num_samples is None:
            return self.enumerate(batch)
        return self.draw_terms(batch, num_samples, hold, posterior)

    def draw_terms(self, batch: Batch, num_samples: int, hold: frozenset[str], posterior: Posterior | None) -> Terms:
        """The terms of K draws for `infer`, which alone calls it: first `posterior`, then `joint`.

        A family may replace it by a single pass that gives the same terms.
        """
        posterior = self.posterior(batch) if posterior is None else posterior
        z, log_q = posterior.draw(num_samples)
        if "q" in hold:
            log_q = posterior.log_prob(z, hold=True)
        with held(self.parameters_of("p")) if "p" in hold else contextlib.nullcontext():
            terms = self.joint(batch, z)
            kl = None if "q" in hold else self.expected_kl(posterior)  # in closed form it would carry q's gradient
        return replace(terms, log_qz_x=log_q, kl=None if kl is None else expand_samples(kl, num_samples))

    def penalties_at(self, batch: Batch, z: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """What a loss adds at draws z, groups [K, B, …], of which `joint` gave the terms, [B] each; mostly nothing."""
        return {}

    def require(self, who: str, needs: Iterable[str]) -> None:
        """Refuse, in a sentence with the remedy, an objective or estimator that needs what this model does not give.

        A need may list alternatives: "rsample|enumerate".
        """
        for need in sorted(needs):
            if not self.gives & set(need.split("|")):
                first = need.split("|")[0]
                told = (REMEDIES | dict(self.remedies)).get(first, "choose another")
                raise RequestError(f"{who} does not work with this {type(self).__name__}: {told}.")


def parameters_in(part: str, **parts: Iterable[nn.Module | nn.Parameter]) -> list[nn.Parameter]:
    """The parameters of one of the parts, each of modules and parameters; a part of another name is refused."""
    if part not in parts:
        raise RequestError(f"There is no part {part!r}.", nearest(part, parts))
    return [p for thing in parts[part] for p in ([thing] if isinstance(thing, nn.Parameter) else thing.parameters())]
