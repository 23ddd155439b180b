"""What a model of pictures and texts says of one by the other: pictures of a text, texts of a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..data.pairs import TEXT
from ..data.texts import as_numbers, required
from ..distributions.rows import Rows
from ..domain import Domain
from ..domain.text import LONGEST, decode, normalised
from ..errors import RequestError, at_least
from ..model import Model
from ..ops import keyed
from ..runs.given import given_as
from ..runs.store import RunStore
from .description import Description
from .known import nearest_texts, pictures_of_known

WEIGHED, FEWER = 4_000, 1_000  # draws of q(z|x) and p(z) that those of p(z|x) are picked from; given a picture
DRAWN, FEWEST = 64, 4  # texts that are drawn for each picture, and for each that is asked for
MOST = 1_000  # texts of each picture
COVERED = 0.9999  # of the weights, that the draws of z have at which texts are judged


def image_of(domain: Domain) -> str:
    """The name of the modality that is no text."""
    return next(name for name in domain.places if name != TEXT)


def require_both(run: RunStore, what: str) -> Domain:
    """The domain of a run on pictures and texts, or a refusal."""
    if run.domain.parts is None or TEXT not in run.domain.places:
        raise RequestError(
            f"{what} came for a run on {run.domain}; it is for models of pictures and texts.",
            "Fit one: unveil fit SOURCE --model joint.",
        )
    return run.domain


@torch.no_grad()
def weighed_draws(model: Model, batch: Batch, num: int) -> tuple[Tensor, Tensor]:
    """(z [K, 1, D], log w [K] float64 with Σ w = 1): draws that stand for p(z|x) of one example by their weights.

    Half of the draws come from q(z|x) and half from p(z), and w ∝ p(x, z) / (½ q(z|x) + ½ p(z)): what a short text says
    of z is little, and has no simple form.

    References: Veach & Guibas, Optimally Combining Sampling Techniques (1995), the balance heuristic.
    """
    posterior, half = model.posterior(batch), num // 2
    z = torch.cat([posterior.draw(half)[0][0], model.draw_prior(half)[0].unsqueeze(1)])  # [K, 1, D]
    terms = model.joint(batch, (z,))
    log_q, log_p = (each.sum(-1).double() for each in (posterior.log_prob((z,)), terms.log_pz))
    log_w = terms.log_px_z.double() + log_p - torch.logaddexp(log_q, log_p)
    return z, log_w[:, 0].log_softmax(0)


@torch.no_grad()
def posterior_draws(model: Model, batch: Batch, num: int) -> tuple[Tensor, float]:
    """(z [num, D] from p(z|x) of one example, the effective number of weights), by importance resampling.

    References: Rubin, The calculation of posterior distributions by data augmentation: comment (1987), SIR.
    """
    z, log_w = weighed_draws(model, batch, max(_enough(batch), 10 * num))
    weights = log_w.exp()
    rows = torch.multinomial(weights, num, replacement=True)
    return z[rows, 0], float(1 / weights.square().sum())


@torch.no_grad()
def draws_given_text(model: Model, batch: Batch, num: int) -> Tensor:
    """z [num, D] that stand for p(z|t) of one text: draws of q(z|t) where it is a flow of its own, else by weights.

    Such a flow was trained to cover z of whole examples. Weights p(z) p(t|z)/q(z|t) would pick z where q(z|t) is low,
    which are far from those of any picture: of `scenes`, 76 % of the pictures of q(z|t) show what the text says, and
    38 % of those that weights pick.
    """
    posterior = model.posterior(batch)
    if isinstance(posterior.distribution, Rows):
        return posterior.draw(num)[0][0][:, 0]
    return posterior_draws(model, batch, num)[0]


def _enough(batch: Batch) -> int:
    """Fewer draws where more than a text is observed: then q(z|x) is close, and each costs a picture."""
    return WEIGHED if batch.observed is not None and int(batch.observed.sum()) <= LONGEST else FEWER


def only_text(domain: Domain, text: str, device: torch.device | str = "cpu") -> Batch:
    """One example of which the text alone is observed."""
    part, place = domain.part(TEXT), domain.places[TEXT]
    codes, _ = as_numbers([required(text, part)], part)
    x, observed = torch.zeros(1, domain.num_dims), torch.zeros(1, domain.num_dims, dtype=torch.bool)
    x[:, place], observed[:, place] = torch.from_numpy(codes), True
    return Batch(x, observed=observed).to(device)


@torch.no_grad()
def pictures_of(run: RunStore, text: str, num_samples: int, seed: int = 0, mean: bool = False) -> np.ndarray:
    """Pictures [N, *shape] of a text: first E[picture|text], then draws from p(picture|text).

    Arguments: mean, give E[picture|z] instead of the draws, which are smoother.
    """
    at_least(1, "The number of samples", num_samples)
    if run.known_texts is not None:
        return pictures_of_known(run, run.known_texts, text, num_samples, seed, mean)
    domain, model = require_both(run, "A text"), run.model
    with keyed("pictures", seed):
        z = draws_given_text(model, only_text(domain, text, run.device), max(num_samples, 64))
        p = model.decode((z,))
        place, shape = domain.places[image_of(domain)], domain.part(image_of(domain)).shape
        means = p.mean[:, place]
        drawn = means if mean else p.sample()[:, place]
    found = torch.cat([means.mean(0, keepdim=True), drawn[: num_samples - 1]])
    return found.reshape(-1, *shape).cpu().numpy()


@torch.no_grad()
def describe(
    run: RunStore,
    x: Any,
    *,
    n: int = 5,
    among: Sequence[str] | None = None,
    seed: int = 0,
    num_samples: int = 200,
    progress: Callable[[int, int], None] | None = None,
) -> list[Description]:
    """The likeliest texts of each picture, by log p(text|picture) = log E[p(text|z)] over z ~ p(z|picture).

    Texts are drawn from p(text|z) at draws of p(z|picture), with the likeliest characters and at random, and what is
    found so is ranked. The mean is over draws that are weighed by p(picture, z)/r(z), r being half q(z|picture) and
    half p(z); over all texts it sums to 1. Where z is the vector of a text (data.z=text), the known texts are ranked by
    q(z|x) instead: see `unveil.use.known.nearest_texts`.

    Arguments:
        x: pictures, as `score` takes them.
        n: texts of each.
        among: texts to rank instead of drawn ones.
        seed: of the draws.
        num_samples: K, the most draws of z, those of the largest weights, at which texts are judged.
    """
    at_least(1, "The number of texts", n, MOST)
    if run.known_texts is None:
        require_both(run, "describe")
    split, raw = given_as(run, x)
    files = raw.files or ("",) * len(split)
    if run.known_texts is not None:
        told = nearest_texts(run, run.known_texts, split, n, among)
        return [replace(each, file=file) for each, file in zip(told, files, strict=True)]
    found = []
    for i in range(len(split)):
        batch = split.batch(torch.tensor([i]))
        said = describe_batch(run, batch, n, among=among, seed=seed, num_samples=num_samples, row=i)
        found.append(replace(said, file=files[i]))
        if progress is not None:
            progress(i + 1, len(split))
    return found


@torch.no_grad()
def describe_batch(
    run: RunStore,
    batch: Batch,
    n: int,
    *,
    among: Sequence[str] | None = None,
    seed: int = 0,
    num_samples: int = 200,
    row: int = 0,
) -> Description:
    """As `describe`, of one example [1, D]; row, where it stands, for the draws and what is said."""
    domain = run.domain
    batch = _only_image(batch.to(run.device), domain)
    if not bool(batch.observed.any()):  # type: ignore[union-attr]
        raise RequestError(f"Row {row} holds no picture to describe.", "Leave it out.")
    with keyed("describe", seed, row):
        given = [required(text, domain.part(TEXT)) for text in among or ()]
        texts = given or _drawn(run.model, batch, domain, n)
    return _ranked(run, batch, domain, texts, n, seed, num_samples, row)


def _only_image(batch: Batch, domain: Domain) -> Batch:
    observed = torch.ones_like(batch.x, dtype=torch.bool) if batch.observed is None else batch.observed.clone()
    observed[:, domain.places[TEXT]] = False
    return replace(batch, observed=observed, y=None, z=None)


def _drawn(model: Model, batch: Batch, domain: Domain, n: int) -> list[str]:
    """Different texts at draws of p(z|picture)."""
    z, _ = posterior_draws(model, batch, max(DRAWN, FEWEST * n))
    p = model.decode((z,))
    place, alphabet = domain.places[TEXT], domain.part(TEXT).alphabet or ""
    codes = torch.cat([p.mean[:, place], p.sample()[:, place]]).cpu().numpy()
    texts = dict.fromkeys(decode(codes, alphabet))
    return [text for text in texts if text and text == normalised(text)] or [""]  # as those of training are


def _ranked(
    run: RunStore, batch: Batch, domain: Domain, texts: Sequence[str], n: int, seed: int, num_samples: int, row: int
) -> Description:
    """The n likeliest of some texts of one picture."""
    with keyed("ranked", seed, row):
        log_p, error = log_p_of_texts(run.model, batch, domain, texts, num_samples)
    best = log_p.argsort(descending=True)[:n].tolist()
    told = tuple(float(log_p[i]) for i in best)
    return Description(tuple(texts[i] for i in best), told, tuple(float(error[i]) for i in best))


@torch.no_grad()
def log_p_of_texts(
    model: Model, batch: Batch, domain: Domain, texts: Sequence[str], num_samples: int = 200
) -> tuple[Tensor, Tensor]:
    """(log p(t|x) [M] = log Σ_k w_k p(t|z_k), its error [M]) of texts of one example x, by `weighed_draws` of z.

    The error is that of a ratio of two means (delta method). Draws of small weights are left out, from the K largest
    on: what they add is lost, so that Σ_t p(t|x) ≤ 1.

    References: Owen, Monte Carlo theory, methods and examples (2013), eq. 9.8.

    Arguments: batch, one example of which the text is not observed; num_samples, K.
    """
    place, count = domain.places[TEXT], len(texts)
    z, log_w = weighed_draws(model, batch, max(FEWER, num_samples))
    log_w, order = log_w.sort(descending=True)
    kept = max(1, min(num_samples, int((log_w.exp().cumsum(0) < COVERED).sum()) + 1))
    z, log_w = z[order[:kept]].expand(-1, count, -1), log_w[:kept].unsqueeze(-1)
    x = batch.x.new_zeros(count, domain.num_dims)
    observed = torch.zeros_like(x, dtype=torch.bool)
    x[:, place] = torch.from_numpy(as_numbers(list(texts), domain.part(TEXT))[0]).to(x)
    observed[:, place] = True
    each = model.joint(Batch(x, observed=observed), (z,)).log_px_z.double()  # [K, M]
    log_p = (log_w + each).logsumexp(0)
    off = log_w + (each - log_p).expm1().abs().log()
    return log_p, (2 * off).logsumexp(0).div(2).exp()
