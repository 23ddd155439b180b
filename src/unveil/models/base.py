"""What a model is: p(x, z), q(z|x), and `infer`, the one place where the two meet."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal, Transform

from ..batch import Batch
from ..domain import Domain
from ..errors import RequestError
from ..latents import JointDraw
from ..ops import keyed
from ..panels import Panel
from ..terms import Terms, expand_samples

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


class Posterior(ABC):
    """q(z|x) for one batch."""

    @abstractmethod
    def draw(self, num_samples: int) -> tuple[tuple[Tensor, ...], Tensor]:
        """K draws (a tuple of groups [K, B, …], reparametrised where possible) and log q [K, B, L]."""

    @abstractmethod
    def log_prob(self, z: tuple[Tensor, ...], hold: bool = False) -> Tensor:
        """log q(z_l|z_>l, x) [K, B, L]; `hold` takes the *weights* of q as constants, never z."""

    def log_prob_each(self, z: tuple[Tensor, ...]) -> Tensor | None:
        """log q(z_d|x) of every latent by itself [K, B, D], or None where these marginals are not known."""
        return None

    distribution: Distribution | None = None  # q(z|x) itself, where there is one

    @property
    def mean(self) -> tuple[Tensor, ...] | None:
        """The posterior mean per group [B, …], or None."""
        return None

    @property
    def stddev(self) -> tuple[Tensor, ...] | None:
        """The posterior standard deviation per group [B, …], or None."""
        return None


class OneGroup(Posterior):
    """The posterior of a model with one latent group, from a torch distribution with batch shape [B].

    Arguments:
        make: builds the distribution; called with True, it takes what q was made from as constant.
        weights: of q that the distribution itself may still read (a flow's); held with the rest.
    """

    distribution: Distribution

    def __init__(self, make: Callable[[bool], Distribution], weights: Sequence[nn.Parameter] = ()) -> None:
        self._make, self._weights = make, weights
        self.distribution = make(False)

    def draw(self, num_samples: int) -> tuple[tuple[Tensor, ...], Tensor]:
        q = self.distribution
        if isinstance(q, JointDraw):
            z, log_q = q.rsample_and_log_prob((num_samples,))
            return (z,), log_q.unsqueeze(-1)
        z = q.rsample((num_samples,)) if q.has_rsample else q.sample((num_samples,))
        return (z,), q.log_prob(z).unsqueeze(-1)

    def log_prob(self, z: tuple[Tensor, ...], hold: bool = False) -> Tensor:
        if not hold:
            return self.distribution.log_prob(z[0]).unsqueeze(-1)
        with held(self._weights):
            return self._make(True).log_prob(z[0]).unsqueeze(-1)

    def log_prob_each(self, z: tuple[Tensor, ...]) -> Tensor | None:
        each = marginals(self.distribution)
        return None if each is None else each.log_prob(z[0])

    @property
    def mean(self) -> tuple[Tensor, ...] | None:
        try:
            return (self.distribution.mean,)
        except NotImplementedError:  # a flow's is an integral; what wants it can average draws
            return None

    @property
    def stddev(self) -> tuple[Tensor, ...] | None:
        try:
            return (self.distribution.stddev,)
        except NotImplementedError:
            return None


class Coordinates:
    """The space in which samplers and grids move, of one batch: z = T(u). Here T is the identity."""

    def to_z(self, u: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Tensor]:
        """z groups [K, B, …] and log|det ∂z/∂u| [K, B], of u groups [K, B, …]."""
        return u, u[0].new_zeros(u[0].shape[:2])

    def to_u(self, z: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """u groups [K, B, …] of z groups [K, B, …]."""
        return z


class OneTransform(Coordinates):
    """z = T(u) of a single latent group.

    Arguments: transform: T, with events [D].
    """

    def __init__(self, transform: Transform) -> None:
        self.transform = transform

    def to_z(self, u: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Tensor]:
        both = getattr(self.transform, "call_and_ladj", None)  # zuko's have it: one pass of the network instead of two
        if both is not None:
            z, log_det = both(u[0])
            return (z,), log_det
        z = self.transform(u[0])
        return (z,), self.transform.log_abs_det_jacobian(u[0], z)

    def to_u(self, z: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (self.transform.inv(z[0]),)


@dataclass(frozen=True)
class Flow:
    """dz/dτ = v(z, τ) from z at τ = start, beside x, to τ = end, where the density of z is known: another model of x.

    Arguments: start, end; draw(K) gives z [K, B, …] from q(z|x) and log q [K, B]; velocity(z [N, …], τ), rows in the
    order of the examples, over and over; log_px_z(z [K, B, …]) [K, B]; log_end(z [K, B, …]) [K, B], the density at the
    end.
    """

    start: float
    end: float
    draw: Callable[[int], tuple[Tensor, Tensor]]
    velocity: Callable[[Tensor, float], Tensor]
    log_px_z: Callable[[Tensor], Tensor]
    log_end: Callable[[Tensor], Tensor]


def marginals(q: Distribution) -> Distribution | None:
    """The distribution of each latent by itself, batch shape [B, D]; None without the fact "marginals".

    A factorised q has them as they are, a Gaussian with full covariance from the diagonal.
    """
    if isinstance(q, Independent) and not q.base_dist.event_shape:
        return q.base_dist
    if isinstance(q, MultivariateNormal):
        return Normal(q.mean, q.variance.sqrt(), validate_args=False)
    return None


class Model(nn.Module, ABC):
    """A generative story p(x, z) = p(z) p(x|z) with an inference model q(z|x).

    Attributes:
        domain: what x is.
        groups: the names of the L latent groups, top last.
        gives: facts of the built model, out of log_w, joint, rsample, pathwise (z with an exact gradient),
            straight_through (z is discrete, and the gradient of what is decoded from it passes to the encoder as if it
            were not), split_q, kl, marginals, enumerate, exact, layers (it can be cut into T steps), flow (it has a
            probability-flow ODE).
        solves: "nothing", "some" (a few parameters have a closed form, refreshed once an epoch) or "all" (a training
            step is one pass of exact coordinate ascent, such as EM, over the training set).
        compiles: whether torch's compiler is tried on it.
        codebook_size: of a z of codes, how many values each can take; 0 where z is none.
        prior_share: the share of the training that the prior gets for itself at its end, unless another is asked for.
        warmup: the share of the training over which the weight of the rate grows, unless another is asked for.
        remedies: of facts that this family does not give, in place of the general ones.
        compared_steps: the numbers of steps T that a model with the fact layers is shown in.
    """

    domain: Domain
    groups: tuple[str, ...] = ("z",)
    solves: str = "nothing"
    codebook_size: int = 0
    compiles: ClassVar[bool] = True
    prior_share: ClassVar[float] = 0.0
    warmup: ClassVar[float] = 0.1
    remedies: ClassVar[Mapping[str, str]] = {}
    compared_steps: ClassVar[tuple[int, ...]] = ()
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

    @abstractmethod
    def decode(self, z: tuple[Tensor, ...], y: Tensor | None = None) -> Distribution:
        """p(x|z) with batch shape [K, B] or [B]; its mean and samples have the units of x."""

    @abstractmethod
    def sample(
        self, num_samples: int, y: Tensor | None = None, temperature: float = 1.0
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """(x [N, *shape], z groups [N, …]) from p(x, z); `temperature` scales the spread of p(z)."""

    @abstractmethod
    def initialise(self, batch: Batch) -> None:
        """Start from the data (output bias, centring); once, on training examples, never on resume."""

    @abstractmethod
    def parameters_of(self, part: str) -> list[nn.Parameter]:
        """The parameters of "p" (prior and likelihood), "q" (inference) or "prior"."""

    def begin(self, parts: tuple[str, ...]) -> None:
        """Called when a stage of training begins, also on resume, with the parts that it trains."""

    def shown(self, x: Tensor, z: tuple[Tensor, ...], y: Tensor | None = None) -> Tensor:
        """What to show of a drawn (x, z): E[x|z], smoother than the draw; x where nothing stands behind it."""
        return self.decode(z, y).mean

    def draw_labels(self, num_samples: int) -> Tensor | None:
        """Labels [N] from p(y) for a model that is conditioned on them, else None."""
        return None

    def label(self, batch: Batch) -> Tensor | None:
        """The label [B] of each example, the likeliest where it is not observed, for a model conditioned on labels."""
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
        posterior = self.posterior(batch) if posterior is None else posterior
        z, log_q = posterior.draw(num_samples)
        if "q" in hold:
            log_q = posterior.log_prob(z, hold=True)
        with held(self.parameters_of("p")) if "p" in hold else contextlib.nullcontext():
            terms = self.joint(batch, z)
            kl = None if "q" in hold else self.expected_kl(posterior)  # in closed form it would carry q's gradient
        return replace(terms, log_qz_x=log_q, kl=None if kl is None else expand_samples(kl, num_samples))

    def require(self, who: str, needs: Iterable[str]) -> None:
        """Refuse, in a sentence with the remedy, an objective or estimator that needs what this model does not give.

        A need may list alternatives: "rsample|enumerate".
        """
        for need in sorted(needs):
            if not self.gives & set(need.split("|")):
                first = need.split("|")[0]
                raise RequestError(
                    f"{who} needs {need.replace('|', ' or ')}, which this {type(self).__name__} does not give: "
                    f"{(REMEDIES | dict(self.remedies)).get(first, 'choose another')}."
                )


@contextlib.contextmanager
def held(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Take parameters as constants inside the block (gradients still flow through z)."""
    trainable = [p for p in parameters if p.requires_grad]
    for p in trainable:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in trainable:
            p.requires_grad_(True)


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the block, and whatever it was before after it."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


@contextlib.contextmanager
def decoding_in(model: Model, precision: str) -> Iterator[None]:
    """The decoder of a model that has one in so much precision inside the block."""
    before = model.decoder_dtype
    if before is not None:
        model.decoder_dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    try:
        yield
    finally:
        model.decoder_dtype = before


@torch.no_grad()
def shapes_of_z(model: Model) -> tuple[torch.Size, ...]:
    """The shape of each latent group of one example."""
    if not model.groups:
        return ()
    with keyed("shapes"):
        return tuple(group.shape[1:] for group in model.draw_prior(1, model.draw_labels(1)))


def num_latents(model: Model) -> int:
    """The dimensions of z, all groups together."""
    return sum(shape.numel() for shape in shapes_of_z(model))


def stands_for_x(model: Model) -> bool:
    """Whether the model has a z that stands for x: one that x can be decoded from."""
    return bool(model.groups) and "joint" in model.gives


def require_latents(model: Model, what: str) -> None:
    """Refuse what needs a z that stands for x, of a model without one."""
    if not stands_for_x(model):
        why = "those of this {} do not" if model.groups else "this {} has none: it states p(x) itself"
        raise RequestError(
            f"{what} needs latents that stand for x, and {why.format(type(model).__name__)}.",
            "Use a model such as vae or hvae; samples and scores work as they are.",
        )


def device_of(module: nn.Module) -> torch.device:
    """The device of a module's first parameter or buffer."""
    for tensor in (*module.parameters(), *module.buffers()):
        return tensor.device
    return torch.device("cpu")
