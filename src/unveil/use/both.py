"""What a model of pictures and texts says of one by the other: pictures of a text, texts of a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..data import Split
from ..data.pairs import TEXT
from ..data.texts import as_numbers, required
from ..domain import Domain
from ..domain.text import decode, normalised
from ..errors import RequestError, at_least
from ..estimators.base import evaluate
from ..model import Model
from ..ops import keyed
from ..runs.given import given_as
from ..runs.store import RunStore
from ..settings.judging import make_estimator
from .description import Description
from .known import nearest_texts, pictures_of_known

WEIGHED = 4_000  # draws of q(z|x) and p(z) that those of p(z|x) are picked from
DRAWN, FEWEST = 64, 4  # texts that are drawn for each picture, and for each that is asked for
SCREENED, CLOSELY = 10, 10  # draws that pick the likelier of many texts, and how many of these are looked at closely


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
def posterior_draws(model: Model, batch: Batch, num: int) -> tuple[Tensor, float]:
    """(z [num, D] from p(z|x) of one example, the effective number of weights), by importance resampling.

    Half of the draws come from q(z|x) and half from p(z), and w = p(x, z) / (½ q(z|x) + ½ p(z)): what a short text says
    of z is little, and has no simple form.

    References: Rubin, The calculation of posterior distributions by data augmentation: comment (1987), SIR; Veach &
    Guibas, Optimally Combining Sampling Techniques (1995), the balance heuristic.
    """
    posterior, half = model.posterior(batch), max(WEIGHED, 10 * num) // 2
    z = torch.cat([posterior.draw(half)[0][0], model.draw_prior(half)[0].unsqueeze(1)])  # [K, 1, D]
    terms = model.joint(batch, (z,))
    log_q, log_p = (each.sum(-1).double() for each in (posterior.log_prob((z,)), terms.log_pz))
    log_w = (terms.log_px_z.double() + log_p - torch.logaddexp(log_q, log_p))[:, 0]
    weights = log_w.softmax(0)
    rows = torch.multinomial(weights, num, replacement=True)
    return z[rows, 0], float(1 / weights.square().sum())


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
        z, _ = posterior_draws(model, only_text(domain, text, run.device), max(num_samples, 64))
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
    """The likeliest texts of each picture, by log p(text|picture) = log p(picture, text) − log p(picture).

    Texts are drawn from p(text|z) at draws of p(z|picture), with the likeliest characters and at random, and what is
    found so is ranked. Both log p are importance-weighted estimates on the same number of draws. Where z is the vector
    of a text (data.z=text), the known texts are ranked by q(z|x) instead: see `unveil.use.known.nearest_texts`.

    Arguments:
        x: pictures, as `score` takes them.
        n: texts of each.
        among: texts to rank instead of drawn ones.
        seed: of the draws.
        num_samples: K of the estimates.
    """
    at_least(1, "The number of texts", n)
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
    likely = max(CLOSELY, 2 * n)
    if len(texts) > likely and num_samples > SCREENED:
        texts = list(_ranked(run, batch, domain, texts, likely, seed, SCREENED).texts)
    return _ranked(run, batch, domain, texts, n, seed, num_samples)


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
    run: RunStore, batch: Batch, domain: Domain, texts: Sequence[str], n: int, seed: int, num_samples: int
) -> Description:
    """The n likeliest of some texts of one picture."""
    part, place, count = domain.part(TEXT), domain.places[TEXT], len(texts)
    codes, _ = as_numbers(list(texts), part)
    x = batch.x.expand(count + 1, -1).clone()
    observed = batch.observed.expand(count + 1, -1).clone()  # type: ignore[union-attr]
    x[1:, place] = torch.from_numpy(codes).to(x)
    observed[1:, place] = True
    split = Split(x, None, domain, "none", torch.arange(count + 1), observed=observed)
    estimate, _ = evaluate(run.model, split, make_estimator("iwae", num_samples, {}), seed=seed, common=True)
    log_p = (estimate.log_px[1:] - estimate.log_px[0]).tolist()
    error = (estimate.stderr_mc[1:] ** 2 + estimate.stderr_mc[0] ** 2).sqrt().tolist()
    order = sorted(range(count), key=lambda i: -log_p[i])[:n]
    return Description(tuple(texts[i] for i in order), tuple(log_p[i] for i in order), tuple(error[i] for i in order))
