"""The vector-quantised auto-encoder: z is a grid of codes, whose prior is learned after encoder and decoder."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ...batch import Batch
from ...domain import Domain
from ...errors import RequestError
from ...likelihoods import Likelihood, default_likelihood
from ...model import Drawn, Posterior, groups_of, held, parameters_in
from ...model.shared.labelled import Condition, Conditioned, classes_of
from ...model.shared.labels import every_label, log_label_prior
from ...model.shared.networks import ENOUGH, check_sizes, default_width
from ...model.shared.scaled import Scaled
from ...nn.codecells import GridDecoder, GridEncoder, VectorDecoder, VectorEncoder, code_sizes
from ...nn.quantize import count_codes, perplexity
from ...panels import Panel
from ...priors.codes import CodePrior
from ...registry import lookup, register
from ...terms import Terms, expand_samples
from .codes import Codes, check, make_quantizer
from .figures import codes_seen, gain, usage, words

CHANNELS = 64  # of the networks of images
PRIOR_WIDTH, PRIOR_DEPTH = 64, 4  # of the prior's causal convolutions
MANY, FEW = 16, 4  # codes of an image where there are enough to learn their prior from; of one of a few, or of a vector
JUDGED = 1024  # most values of z that log p(x) is summed over


@register("model", "vqvae")
class VQVAE(Conditioned, Scaled):
    """p(x, c) = p(c) p(x|e_c), c being n codes out of K, and q(c|x) a single one: what the encoder's vectors are near.

    log p(x) ≥ log p(x|c(x)) + log p(c(x)), a true bound: q is certain, so there is no entropy to add.

    While encoder, book and decoder are trained, the prior is uniform: log p(c) = −n log K. Then they are fixed, and an
    autoregressive p(c) is trained alone (`train.prior_share`). The gradient of log p(x|e_c) reaches the encoder
    straight through. For any number of samples each x is encoded once; in training it moves the book once.

    With C classes the prior is p(c|y); a label that is not observed is summed out of it, exactly.

    References: van den Oord, Vinyals & Kavukcuoglu, Neural Discrete Representation Learning (2017), eq. 1–3; Mentzer et
    al., Finite Scalar Quantization (2024).

    Arguments:
        likelihood: p(x|h); it knows the domain.
        latent, codebook_size, code_dim, quantizer, ema, revival, width, depth: as for `build`; 0 picks code_dim alone.
        commitment: weight of ‖h − sg(e)‖² in the loss, in nats.
        num_classes: C, or 0 without a condition.
        sees_missing: whether the encoder is given the mask; without it, what is missing enters as the mean.
    """

    summary = "codes out of a learned book, and an autoregressive prior over them"
    groups = ("codes",)
    prior_share = 0.3
    compiles = False  # a book that moves looks at numbers, and draws
    remedies: ClassVar[dict[str, str]] = {
        "log_w": "its q is one code for each x, of which more samples say no more; use the objective or estimator "
        "'elbo'",
        "rsample": "its codes are no function of any noise; use the objective 'elbo'",
        "pathwise": "its codes have no exact gradient; use the objective 'elbo'",
        "split_q": "its codes have no exact gradient; use the objective 'elbo'",
        "exact": "its log p(x) is a sum over too many codes; use the estimator 'elbo'",
    }

    def __init__(
        self,
        likelihood: Likelihood,
        *,
        latent: int = FEW,
        codebook_size: int = 512,
        code_dim: int = 0,
        quantizer: Literal["vq", "fsq"] = "vq",
        ema: bool = True,
        revival: bool = True,
        commitment: float = 0.25,
        width: int = CHANNELS,
        depth: int = 1,
        num_classes: int = 0,
        sees_missing: bool = False,
    ) -> None:
        super().__init__()
        check(codebook_size, latent=latent, width=width, depth=depth)
        if not 0 <= commitment < math.inf:
            raise RequestError(f"model.commitment is {commitment}; it takes a number from 0 upwards.")
        self.likelihood, self.commitment = likelihood, commitment
        self.expect_x(sees_missing)
        self.quantizer = make_quantizer(quantizer, codebook_size, code_dim, ema, revival)
        self.codebook_size = codebook_size
        shape, dim, size = likelihood.feature_shape, self.quantizer.dim, {"width": width, "depth": depth}
        self.encoder: nn.Module
        self.decoder: nn.Module
        if self.domain.is_image:
            sizes = code_sizes(shape, latent)
            self.cells = sizes[-1]
            self.encoder = GridEncoder(self.seen_shape, sizes, dim, **size)
            self.decoder = GridDecoder(shape, sizes, dim, likelihood.params_per_dim, **size)
        else:
            self.cells = (1, latent)
            self.encoder = VectorEncoder(self.seen_shape, latent, dim, **size)
            self.decoder = VectorDecoder(shape, latent, dim, likelihood.params_per_dim, **size)
        self.prior = CodePrior(
            codebook_size, self.cells, width=min(width, PRIOR_WIDTH), depth=PRIOR_DEPTH, condition=num_classes
        )
        self.expect_labels(num_classes)
        self._prior_is_uniform, self._book_moves = False, True

    @classmethod
    def build(
        cls,
        domain: Domain,
        num_classes: int = 0,
        has_missing: bool = False,
        num_examples: int = 0,
        *,
        latent: int = 0,
        codebook_size: int = 512,
        code_dim: int = 0,
        quantizer: Literal["vq", "fsq"] = "vq",
        ema: bool = True,
        revival: bool = True,
        commitment: float = 0.25,
        width: int = 0,
        depth: int = 1,
        condition: Condition = "none",
        likelihood: Callable[..., Likelihood] | None = None,
    ) -> VQVAE:
        """A VQ-VAE for a domain, from a few choices.

        Arguments:
            latent: n, the codes of an example; those of an image lie on a grid of no more than n; 0 picks.
            codebook_size: K, the values that each code can take.
            code_dim: numbers of a code's vector (vq); 0 picks.
            quantizer: vq is a learned book of vectors; fsq rounds a few scalars, and has no book that could collapse.
            ema: whether the book follows the average of what chose each code, or else its gradient (vq).
            revival: whether codes that nothing chooses are set onto a vector of the batch (vq).
            commitment: weight of the distance between the encoder's vectors and their codes in the loss (vq).
            width: channels (images), or hidden units (vectors); 0 picks.
            depth: residual blocks, of images per size of the grid.
            condition: label gives a prior p(codes|y); rows without a label are summed over y.

        Context: num_classes of the data's labels, has_missing entries of x, num_examples to train on.
        """
        check_sizes(width=width, depth=depth)
        p_x = (likelihood or lookup("likelihood", default_likelihood(domain)))(domain)
        return cls(
            p_x,
            latent=latent or (MANY if domain.is_image and num_examples >= ENOUGH else FEW),
            codebook_size=codebook_size,
            code_dim=code_dim,
            quantizer=quantizer,
            ema=ema,
            revival=revival,
            commitment=commitment,
            width=width or (CHANNELS if domain.is_image else default_width(domain, "mlp")),
            depth=depth,
            num_classes=classes_of(condition, num_classes),
            sees_missing=has_missing,
        )

    @property
    def num_codes(self) -> int:
        """n, the codes of an example."""
        return math.prod(self.cells)

    @property
    def gives(self) -> frozenset[str]:
        few = self.codebook_size**self.num_codes <= JUDGED
        return frozenset({"joint", "straight_through", *(["exact"] if few else [])})

    @property
    def story(self) -> str:
        where = "×".join(map(str, self.cells)) if self.domain.is_image else str(self.num_codes)
        return (
            f"likelihood {self.likelihood.registered[1]} because x is {self.domain}, {where} codes of "
            f"{self.codebook_size} values, then a prior over them"
        )

    def begin(self, parts: tuple[str, ...]) -> None:
        """Take a uniform prior while encoder or decoder are trained; fix the book while the prior is."""
        self._prior_is_uniform, self._book_moves = bool({"p", "q"} & set(parts)), "p" in parts

    def posterior(self, batch: Batch) -> Codes:
        return Codes(self.quantizer(self._encode(batch)))

    def joint(self, batch: Batch, z: tuple[Tensor, ...]) -> Terms:
        codes = z[0].long()
        log_px_z = self._log_px(batch, self.quantizer.look_up(codes))
        return Terms(log_px_z=log_px_z, log_pz=self._log_pc(batch, codes).unsqueeze(-1), z=(codes,))

    def draw_terms(self, batch: Batch, num_samples: int, hold: frozenset[str], posterior: Posterior | None) -> Terms:
        """One pass; the decoded vectors carry the gradient of the encoder, the codes none."""
        found = (posterior if isinstance(posterior, Codes) else self.posterior(batch)).found
        with held(self.parameters_of("p") if "p" in hold else ()):
            log_px_z = self._log_px(batch, found.values.unsqueeze(0))  # [1, B]
            log_pz = self._log_pc(batch, found.codes.unsqueeze(0))
        if self.training and self._book_moves and torch.is_grad_enabled():
            self.quantizer.learn(found)
        log_pz = log_pz.expand(num_samples, -1).unsqueeze(-1)
        return Terms(
            log_px_z=log_px_z.expand(num_samples, -1),
            log_pz=log_pz,
            log_qz_x=torch.zeros_like(log_pz),
            z=(expand_samples(found.codes, num_samples),),
            penalties={"commitment": self.commitment * found.commitment.sum(-1), "codebook": found.book.sum(-1)},
            metrics=self._metrics(found.codes),
        )

    def _encode(self, batch: Batch) -> Tensor:
        """Vectors [B, n, D]."""
        with self.network_precision(self.network_dtype):
            h = self.encoder(self.seen(batch))
        return h.float()

    def _log_px(self, batch: Batch, vectors: Tensor) -> Tensor:
        """log p(x|c), [K, B], from vectors [K, B, n, D]."""
        return self.likelihood(self._features(vectors), batch.observed).log_prob(batch.x)

    def _features(self, vectors: Tensor) -> Tensor:
        with self.network_precision(self.network_dtype):
            h = self.decoder(vectors)
        return h.float()

    def _log_pc(self, batch: Batch, codes: Tensor) -> Tensor:
        """log p(c) or, where labels are given, log p(c|y), [K, B], of codes [K, B, n]."""
        if self._prior_is_uniform:
            return torch.full(codes.shape[:2], -self.num_codes * math.log(self.codebook_size), device=codes.device)
        with self.network_precision(self.network_dtype):
            if not self.misses_labels(batch):
                y = None if batch.y is None else batch.y.expand(codes.shape[:2]).flatten()
                return self.prior.log_prob(codes.flatten(0, 1), y).unflatten(0, codes.shape[:2])
            return self.log_label(batch, (codes,)).logsumexp(1)

    def _metrics(self, codes: Tensor) -> dict[str, Tensor]:
        """The share of codes that the batch uses, and their perplexity."""
        counts = count_codes(codes, self.codebook_size)
        return {"codebook_usage": (counts > 0).float().mean(), "codebook_perplexity": perplexity(counts)}

    def decode(self, z: tuple[Tensor, ...] | Tensor, y: Tensor | None = None) -> Distribution:
        return self.likelihood(self._features(self.quantizer.look_up(groups_of(z)[0].long())))

    def log_prob(self, batch: Batch) -> Tensor:
        """log p(x) = log Σ_c p(c) p(x|c), [B], where there are few c."""
        if "exact" not in self.gives:
            return super().log_prob(batch)
        every = torch.tensor(list(itertools.product(range(self.codebook_size), repeat=self.num_codes)))
        z = every.to(batch.x.device).unsqueeze(1).expand(-1, len(batch), -1)
        terms = self.joint(batch, (z,))
        return (terms.log_px_z + terms.log_pz.sum(-1)).double().logsumexp(0)

    def log_label(self, batch: Batch, z: tuple[Tensor, ...]) -> Tensor:
        """log p(y) p(c|y), [K, C, B]."""
        y, K = every_label(batch, self.num_classes).y, len(z[0])
        assert y is not None
        every = torch.cat([z[0].long()] * self.num_classes, 1)  # [K, C·B, n]
        log_pc = self.prior.log_prob(every.flatten(0, 1), y.expand(K, -1).flatten())
        return log_pc.reshape(K, self.num_classes, -1) + log_label_prior(batch, self.log_frequency)

    @torch.no_grad()
    def sample(self, num_samples: int, y: Tensor | None = None, temperature: float = 1.0) -> Drawn:
        """A temperature below 1 favours likely codes: each from p(c_t|c_<t)^(1/T)."""
        codes = self.prior.draw(num_samples, self.draw_labels(num_samples) if y is None else y, temperature)
        return self.decode((codes,)).sample(), (codes,)

    @torch.no_grad()
    def draw_prior(self, num_samples: int, y: Tensor | None = None) -> tuple[Tensor, ...]:
        return (self.prior.draw(num_samples, self.draw_labels(num_samples) if y is None else y),)

    @torch.no_grad()
    def initialise(self, batch: Batch) -> None:
        """Set the scale of x and the output's offset, and start the book from k-means centres of encoded x."""
        self.start_x(batch)
        self.quantizer.start(self._encode(batch).flatten(0, -2))
        self.count_labels(batch)

    def explained(self, batch: Batch) -> Distribution:
        return self.decode(self.posterior(batch).draw(1)[0])

    def parameters_of(self, part: str) -> list[nn.Parameter]:
        p = [self.prior, self.quantizer, self.decoder, self.likelihood]
        return parameters_in(part, p=p, q=[self.encoder], prior=[self.prior])

    @torch.no_grad()
    def panels(self, batch: Batch) -> tuple[Panel, ...]:
        """How the book is used, what the learned prior gains, what codes look like and what each says."""
        (codes,), _ = self.posterior(batch).draw(1)
        counts = count_codes(codes, self.codebook_size).sort(descending=True).values
        learned = float(-self._log_pc(batch, codes).mean())
        uniform = self.num_codes * math.log(self.codebook_size)
        found = (usage(counts), gain(uniform, learned))
        return (*found, codes_seen(self, batch), *words(self, batch, codes[0])) if self.domain.is_image else found
