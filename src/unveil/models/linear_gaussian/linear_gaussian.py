"""Probabilistic PCA and factor analysis: a latent-variable model of which everything is known.

log p(x), p(z|x), the KL and the optimum all have closed forms, so every bound and estimator can be checked here.
"""

import math
from collections.abc import Callable, Iterable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, MultivariateNormal, Normal

from ...batch import Batch
from ...distributions import EventSum
from ...domain import Domain
from ...errors import RequestError, WorkError, at_least, nearest
from ...likelihoods.base import without_columns
from ...model import Drawn, Model, OneGroup, Posterior, groups_of, parameters_in
from ...registry import register
from ...terms import Terms
from .statistics import MeanCov, centred, columns, mean_and_cov

EM_ROUNDS = 20  # per pass over the data: a round costs D²·Z on the moments, which is nothing beside the pass
GAPPY_ROUNDS = 5  # of EM where x has gaps: each is a pass over the data


@register("model", "linear_gaussian")
class LinearGaussian(Model):
    """x = W z + μ + ε with z ~ N(0, I) and ε ~ N(0, diag ψ), for real x.

    p(x)   = N(x; μ, W Wᵀ + diag ψ)
    p(z|x) = N(z; M⁻¹ Wᵀψ⁻¹(x − μ), M⁻¹)   with M = I + Wᵀψ⁻¹W

    The weights are stored as given (float32 by default); every density is computed in float64. The closed forms need
    C [D, D], so D is hundreds or a few thousands. Where x is not observed everywhere, its optimum is climbed by EM.

    References: Tipping & Bishop, Probabilistic Principal Component Analysis (1999), eq. 3–8; Rubin & Thayer, EM
    Algorithms for ML Factor Analysis (1982); Liu, Rubin & Wu, Parameter Expansion to Accelerate EM (1998), for gaps.

    Arguments:
        latent: Z, the number of latents.
        noise: "isotropic", one ψ for all dimensions (probabilistic PCA), or "diagonal" (factor analysis).
        inference: "exact", p(z|x) itself, which has no weights of its own; or "free", q(z|x) = N(A(x − c) + b, L Lᵀ)
            with weights A, b, L and the constant c = the training mean, to show the two alternating.
        floor: the smallest ψ, relative to the variance of x (of each column, for diagonal noise).
    """

    least_psi: Tensor
    c: Tensor
    summary = "probabilistic PCA or factor analysis; log p(x) in closed form"
    solves = "all"
    domains = ("real",)

    def __init__(
        self,
        domain: Domain,
        *,
        latent: int = 8,
        noise: Literal["isotropic", "diagonal"] = "isotropic",
        inference: Literal["exact", "free"] = "exact",
        floor: float = 1e-6,
    ) -> None:
        super().__init__()
        if domain.is_discrete:
            raise RequestError(
                f"linear_gaussian takes real x, and x is {domain}: a density on integers is not a likelihood.",
                "Use the model 'mixture' or 'vae', or add uniform noise to x (dequantise) and call it real."
                if domain.is_finite
                else "Use the model 'vae', or give data.domain=real.",
            )
        if domain.kind != "real":
            raise RequestError(
                f"linear_gaussian is a density over all real numbers and x is {domain}.",
                "Use the model 'vae', or give data.domain=real.",
            )
        at_least(1, "model.latent", latent, 100_000)
        if not 0 < floor < 1:
            raise RequestError(f"model.floor is {floor}; it takes a share of the variance of x, between 0 and 1.")
        _one_of("noise", noise, ("isotropic", "diagonal"))
        _one_of("inference", inference, ("exact", "free"))
        self.domain, self.latent, self.noise, self.inference, self.floor = domain, latent, noise, inference, floor
        D, Z = domain.num_dims, latent
        self.W = nn.Parameter(torch.randn(D, Z) / math.sqrt(2 * Z))
        self.mu = nn.Parameter(torch.zeros(D))
        self.log_psi = nn.Parameter(torch.full((D if noise == "diagonal" else 1,), math.log(0.5)))  # above its floor
        self.register_buffer("least_psi", torch.full_like(self.log_psi, floor, requires_grad=False))
        if inference == "free":
            self.A, self.b = nn.Parameter(torch.randn(Z, D) / math.sqrt(D)), nn.Parameter(torch.zeros(Z))
            self.log_L = nn.Parameter(torch.zeros(Z, Z))  # below the diagonal L itself, on it log L
            self.register_buffer("c", torch.zeros(D))

    @property
    def gives(self) -> frozenset[str]:
        facts = {"log_w", "joint", "rsample", "pathwise", "kl", "marginals", "exact"}
        return frozenset(facts | ({"split_q"} if self.inference == "free" else set()))

    def joint(self, batch: Batch, z: tuple[Tensor, ...]) -> Terms:
        log_px_z = self._likelihood(z[0], batch.observed).log_prob(batch.x.double())  # [K, B]
        log_pz = -0.5 * (z[0].double() ** 2 + math.log(2 * math.pi)).sum(-1, keepdim=True)  # [K, B, 1]
        return Terms(log_px_z=log_px_z, log_pz=log_pz, z=z)

    def log_prob(self, batch: Batch) -> Tensor:
        """log p(x) = −½ [D log 2π + log det(W Wᵀ + ψ) + (x − μ)ᵀ(W Wᵀ + ψ)⁻¹(x − μ)], [B], over the observed part.

        With z = E[z|x] the last term is ‖x − μ − W z‖²/ψ + ‖z‖² (no difference of large numbers), and
        log det(W Wᵀ + ψ) = Σ_d log ψ_d + log det M.
        """
        W, mu, psi = self._theta()
        seen, delta = centred(batch, mu)  # [B or 1, D], [B, D]
        posterior = self._exact(batch)
        z = posterior.mean  # [B, Z]
        log_det_m = -2 * posterior.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        error = (seen / psi * (delta - z @ W.T) ** 2).sum(-1)
        log_det = (seen * psi.log()).sum(-1) + log_det_m
        return -0.5 * (seen.sum(-1) * math.log(2 * math.pi) + log_det + error + (z**2).sum(-1))

    def posterior(self, batch: Batch) -> OneGroup:
        q = self._exact if self.inference == "exact" else self._free
        return OneGroup(lambda hold: q(batch, hold))

    def true_posterior(self, batch: Batch) -> OneGroup:
        return OneGroup(lambda hold: self._exact(batch, hold))

    def expected_kl(self, posterior: Posterior) -> Tensor | None:
        """KL(N(m, S)‖N(0, I)) = ½ (tr S + ‖m‖² − Z − log det S), [B, 1]."""
        if not isinstance(posterior.distribution, MultivariateNormal):  # a q that is not the model's own
            return None
        m, L = posterior.distribution.mean, posterior.distribution.scale_tril
        trace, log_det = (L**2).sum((-2, -1)), 2 * L.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return 0.5 * (trace + (m**2).sum(-1) - self.latent - log_det).unsqueeze(-1)

    def _exact(self, batch: Batch, hold: bool = False) -> MultivariateNormal:
        """p(z|x_observed): rows with different masks have different M, [B, Z, Z]."""
        W, mu, psi = self._theta(hold)
        seen, delta = centred(batch, mu)
        eye = torch.eye(self.latent, dtype=W.dtype, device=W.device)
        M = eye + torch.einsum("bd,dz,dy->bzy", seen / psi, W, W)  # [B or 1, Z, Z]
        T = _inverse_root(M)
        mean = torch.einsum("bzy,bxy,bx->bz", T, T, delta @ (W / psi.unsqueeze(-1)))  # M⁻¹ Wᵀψ⁻¹(x − μ), [B, Z]
        return MultivariateNormal(mean, scale_tril=T, validate_args=False)

    def _free(self, batch: Batch, hold: bool = False) -> MultivariateNormal:
        """N(A(x − c) + b, L Lᵀ); what is not observed is taken at c."""
        A, b, L = self._q(hold)
        _, delta = centred(batch, self.c.double())
        return MultivariateNormal(delta @ A.T + b, scale_tril=L, validate_args=False)

    def _theta(self, hold: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """W [D, Z], μ [D] and ψ [D]."""
        W, mu, log_psi = _float64(hold, self.W, self.mu, self.log_psi)
        return W, mu, (self.least_psi.double() + log_psi.exp()).expand_as(mu)

    def _q(self, hold: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """A [Z, D], b [Z] and L [Z, Z] of the free q."""
        A, b, log_L = _float64(hold, self.A, self.b, self.log_L)
        return A, b, log_L.tril(-1) + log_L.diagonal().exp().diag()

    def decode(self, z: tuple[Tensor, ...] | Tensor, y: Tensor | None = None) -> Distribution:
        return self._likelihood(groups_of(z)[0])

    def _likelihood(self, z: Tensor, observed: Tensor | None = None) -> EventSum:
        W, mu, psi = self._theta()
        mean = (z.double() @ W.T + mu).reshape(*z.shape[:-1], *self.domain.shape)
        each = Normal(mean, psi.sqrt().reshape(self.domain.shape), validate_args=False)
        return EventSum(each, len(self.domain.shape), observed)

    @torch.no_grad()
    def sample(self, num_samples: int, y: Tensor | None = None, temperature: float = 1.0) -> Drawn:
        z = temperature * torch.randn(num_samples, self.latent, dtype=torch.float64, device=self.W.device)
        return self.decode((z,), y).sample().to(self.W.dtype), (z,)

    @torch.no_grad()
    def initialise(self, batch: Batch) -> None:
        """Give half of each column's variance to W z, half to the noise; a free q starts at random, z of unit spread.

        (At A = 0 it would stay: an encoder that ignores x teaches the decoder to ignore z, and the other way round.)
        """
        mean, variance = columns(lambda: [batch])
        self._set_least_psi(mean, variance)
        W = torch.randn_like(self.W) * (variance / (2 * self.latent)).sqrt().unsqueeze(-1)
        self._set_theta(W, mean, variance / 2)
        if self.inference == "free":
            self.c.copy_(mean)
            self.A.copy_(torch.randn_like(self.A) / (len(variance) * variance.clamp(min=1e-24)).sqrt())

    @torch.no_grad()
    def solve(self, batches: Callable[[], Iterable[Batch]]) -> None:
        """One pass over the data: the optimum for isotropic noise, `EM_ROUNDS` rounds of EM for diagonal noise.

        `GAPPY_ROUNDS` passes, a round of EM each, where x has gaps.
        """
        if next(iter(batches())).observed is not None:
            self._solve_gappy(batches)
            return
        moments = mean_and_cov(batches())
        self._set_least_psi(moments.mean, moments.cov.diagonal())
        if self.noise == "isotropic":
            self._principal_components(moments)
        else:
            for _ in range(EM_ROUNDS):
                self._maximise(moments)
                self.e_step()
        self.e_step()

    @torch.no_grad()
    def e_step(self) -> None:
        """Set a free q(z|x) to the best one for the present θ, which is p(z|x). An exact q is always p(z|x)."""
        if self.inference == "exact":
            return
        A, b, S = self._exact_map(self.c.double())
        L = torch.linalg.cholesky(S)
        self.A.copy_(A)
        self.b.copy_(b)
        self.log_L.copy_(L.tril(-1) + L.diagonal().log().diag())

    @torch.no_grad()
    def m_step(self, batches: Callable[[], Iterable[Batch]]) -> None:
        """Set θ = (W, μ, ψ) to the best one for the present q: a regression of x on the z that q infers."""
        self._maximise(mean_and_cov(batches()))

    def _solve_gappy(self, batches: Callable[[], Iterable[Batch]]) -> None:
        if self.inference == "free":
            raise RequestError(
                "model.inference=free needs every value of x, and some are not observed.",
                "Leave it out: the exact posterior knows what is observed of each example.",
            )
        mean, variance = columns(batches)
        self._set_least_psi(mean, variance)
        for _ in range(GAPPY_ROUNDS):
            self._gappy_round(batches(), mean)

    def _gappy_round(self, batches: Iterable[Batch], c: Tensor) -> None:
        """One round of EM: each column's observed values (o = 1) regressed on z̃ = (z, 1), with z̃ expected given x.

        w_d = G_d⁻¹ b_d and ψ_d = (Σ_n o (x − c)² − w_dᵀb_d) / Σ_n o, G_d = Σ_n o E[z̃z̃ᵀ], b_d = Σ_n o (x − c) E[z̃];
        then z is brought back to N(0, I) from the mean and covariance that it was found to have over the examples.
        """
        D, Z = self.W.shape
        zz, count, square = c.new_zeros(Z + 1, Z + 1), c.new_zeros(D), c.new_zeros(D)
        G, b = c.new_zeros(D, (Z + 1) ** 2), c.new_zeros(D, Z + 1)
        for batch in batches:
            seen, x = centred(batch, c)
            q = self._exact(batch)
            mean = torch.nn.functional.pad(q.mean, (0, 1), value=1.0)  # E[z̃], [B, Z + 1]
            second = mean.unsqueeze(-1) * mean.unsqueeze(-2)
            second[:, :Z, :Z] += q.covariance_matrix
            seen = seen.expand_as(x)
            G, b, zz = G + seen.T @ second.flatten(1), b + x.T @ mean, zz + second.sum(0)
            count, square = count + seen.sum(0), square + (x**2).sum(0)
        w = torch.linalg.solve(G.reshape(D, Z + 1, Z + 1), b)  # [D, Z + 1]
        error = square - (w * b).sum(-1)
        zz = zz / zz[Z, Z]
        centre, S = zz[Z, :Z], zz[:Z, :Z] - torch.outer(zz[Z, :Z], zz[Z, :Z])
        psi = error / count if self.noise == "diagonal" else (error.sum() / count.sum()).expand_as(error)
        self._set_theta(w[:, :Z] @ torch.linalg.cholesky(S), c + w[:, Z] + w[:, :Z] @ centre, psi)

    def _principal_components(self, moments: MeanCov) -> None:
        """W = U_q (Λ_q − ψI)^½ and ψ = mean of the discarded eigenvalues of C (Tipping & Bishop 1999, eq. 7–8).

        D − 1 components already fit C exactly, so columns of W beyond these are zero.
        """
        lam, U = torch.linalg.eigh(moments.cov)
        lam, U = lam.flip(0), U.flip(1)
        q = min(self.latent, self.domain.num_dims - 1)
        psi = torch.maximum(lam[q:].mean(), self.least_psi.double())
        W = torch.zeros_like(self.W, dtype=torch.float64)
        W[:, :q] = U[:, :q] * (lam[:q] - psi).clamp(min=0).sqrt()
        self._set_theta(W, moments.mean, psi.expand_as(moments.mean))

    def _maximise(self, moments: MeanCov) -> None:
        """W = C_xz C_zz⁻¹, μ = x̄ − W z̄, ψ = diag(C − W C_zx), where C_xz = C Aᵀ and C_zz = S + A C Aᵀ come from q."""
        x_mean, C = moments
        A, z_mean, S = self._exact_map(x_mean) if self.inference == "exact" else self._free_map(x_mean)
        C_xz = C @ A.T  # E[z|x] is linear in x
        W = torch.linalg.solve(S + A @ C_xz, C_xz.T).T
        psi = C.diagonal() - (W * C_xz).sum(-1)
        self._set_theta(W, x_mean - W @ z_mean, psi)

    def _exact_map(self, centre: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """p(z|x) as N(A(x − centre) + b, S): A [Z, D], b [Z], S [Z, Z]."""
        W, mu, psi = self._theta()
        S = torch.linalg.inv(torch.eye(self.latent, dtype=W.dtype, device=W.device) + (W.T / psi) @ W)
        A = S @ (W.T / psi)
        return A, A @ (centre - mu), (S + S.T) / 2

    def _free_map(self, centre: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """q(z|x) as N(A(x − centre) + b, S)."""
        A, b, L = self._q()
        return A, A @ (centre - self.c) + b, L @ L.T

    def _set_theta(self, W: Tensor, mu: Tensor, psi: Tensor) -> None:
        psi = psi.mean(0, keepdim=True) if self.noise == "isotropic" else psi
        above = torch.maximum(psi - self.least_psi, 1e-9 * self.least_psi)
        for parameter, value in ((self.W, W), (self.mu, mu), (self.log_psi, above.log())):
            parameter.copy_(value)

    def _set_least_psi(self, mean: Tensor, variance: Tensor) -> None:
        """The floor of ψ, relative to the variance of x [D]; refuses what would drive ψ there."""
        constant = (variance <= 1e-24 * mean**2).nonzero().flatten().tolist()
        if constant and (self.noise == "diagonal" or len(constant) == len(variance)):
            what = "are constant: noise of their own would shrink to 0, and log p(x) grow without end"
            raise without_columns(constant, what, "share one noise: model.noise=isotropic")
        self.least_psi.copy_(self.floor * (variance if self.noise == "diagonal" else variance.mean()))

    def parameters_of(self, part: str) -> list[nn.Parameter]:
        """The exact posterior has no weights of its own: it follows those of p."""
        own = [self.A, self.b, self.log_L] if self.inference == "free" else []
        return parameters_in(part, p=[self.W, self.mu, self.log_psi], q=own, prior=[])


def _inverse_root(M: Tensor) -> Tensor:
    """The lower triangular T with T Tᵀ = M⁻¹, without forming the inverse: M = R Rᵀ with R upper, T = R⁻ᵀ."""
    try:
        R = torch.linalg.cholesky(M.flip(-2, -1)).flip(-2, -1)
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
        raise WorkError(
            "The scales of the columns differ too much for this model: its posterior is beyond float64.",
            "Bring them to like units, or take --model vae.",
        ) from error
    eye = torch.eye(M.shape[-1], dtype=M.dtype, device=M.device)
    T: Tensor = torch.linalg.solve_triangular(R.mT, eye, upper=False)
    return T


def _float64(hold: bool, *weights: Tensor) -> list[Tensor]:
    return [w.detach().double() if hold else w.double() for w in weights]


def _one_of(key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise RequestError(f"There is no model.{key} {value!r}.", nearest(value, allowed))
