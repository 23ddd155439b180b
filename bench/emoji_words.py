"""What a model of emoji has learned of their names: which picture goes with which name, and what the picture buys.

    unveil fit emoji --model joint --minutes 20 --out RUN
    python bench/emoji_words.py RUN --minutes 5

recall@k: the share of test pictures whose own name is among the k likeliest names of the test split (image → name), and
of names whose own picture is among the k likeliest pictures (name → image): by log p(name|picture) on K draws of
q(z|picture), by that less log p(name), p(name) being the mean over the pictures (short names are likely of any), and by
the distance of the means of q(z|picture) and q(z|name). Beside it, on the same pictures of training: the names of the
10 nearest pictures, and a ridge regression from pixels to the character n-grams of names, both by the cosine of
n-grams.

nats per character: −log p(name|picture), at weighed draws of q(z|picture) and as the difference of two bounds, and
−log p(name), beside n-grams of characters and a model of the same names without pictures, fitted for --minutes. What
the picture buys is their difference, with its standard error.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from torch import Tensor

import unveil
from unveil.data import Data, Split
from unveil.data.pairs import TEXT, of_part
from unveil.domain import Domain
from unveil.domain.text import decode
from unveil.evaluation.baselines.ngrams import ngrams
from unveil.evaluation.jointly import closest, complete, showing
from unveil.fitting.prepare import prepare
from unveil.ops import keyed, log_mean_exp
from unveil.runs.store import RunStore

NEIGHBOURS, JUDGED = 10, 4
GRAMS = (1, 3)


def names_of(split: Split) -> list[str]:
    place = split.domain.places[TEXT]
    return decode(split.x[:, place].float().numpy(), split.domain.part(TEXT).alphabet or "")


def recall(scores: np.ndarray, names: list[str], k: int) -> tuple[float, float]:
    """The share of rows whose own column is among the k highest [N, N], and its standard error; alike names are one."""
    order = np.argsort(-scores, 1, kind="stable")[:, :k]
    own = np.array(names)
    hits = (own[order] == own[:, None]).any(1)
    return float(hits.mean()), float(np.sqrt(hits.mean() * (1 - hits.mean()) / len(hits)))


def both_ways(label: str, scores: np.ndarray, names: list[str]) -> None:
    """Scores of [picture, name]."""
    told = []
    for way, table in (("image → name", scores), ("name → image", scores.T)):
        found = [f"@{k} {100 * p:.1f} ± {100 * e:.1f} %" for k in (1, 10) for p, e in [recall(table, names, k)]]
        told.append(f"{way}: {', '.join(found)}")
    print(f"{label}: {'; '.join(told)}", flush=True)


@torch.no_grad()
def log_p_of_names(store: RunStore, split: Split, num_samples: int) -> np.ndarray:
    """log p(name_j|picture_i) [N, N] by self-normalised importance weights on draws of q(z|picture_i).

    Names are judged at the few draws of the largest weights, `JUDGED` at most: what is left out is lost to all alike.
    """
    model, place = store.model, split.domain.places[TEXT]
    texts = split.batch(torch.arange(len(split))).x
    rows = []
    pictures = showing(split, split.domain, (next(iter(split.domain.places)),))
    for i in range(len(split)):
        batch = pictures.batch(torch.tensor([i]))
        with keyed("recall", i):
            terms = model.infer(batch, num_samples)
        weights, kept = terms.log_w[:, 0].double().log_softmax(0).topk(min(JUDGED, num_samples))
        z = terms.z[0][kept].expand(-1, len(texts), -1)
        observed = torch.zeros_like(texts, dtype=torch.bool)
        observed[:, place] = True
        told = model.joint(replace(batch, x=texts, observed=observed, y=None), (z,))
        rows.append(log_mean_exp(told.log_px_z.double(), 0, weights[:, None].expand(-1, len(texts))).numpy())
    return np.stack(rows)


@torch.no_grad()
def distances(store: RunStore, split: Split) -> np.ndarray:
    """−‖E[z|picture_i] − E[z|name_j]‖² [N, N], in units of the spread of E[z|picture]."""
    means = []
    for name in split.domain.places:
        batch = showing(split, split.domain, (name,)).batch(torch.arange(len(split)))
        with keyed("distance"):
            posterior = store.model.posterior(batch)
            mean = posterior.mean[0] if posterior.mean is not None else posterior.draw(64)[0][0].mean(0)
        means.append(mean)
    scaled = [(mean - means[0].mean(0)) / means[0].std(0) for mean in means]
    return -torch.cdist(scaled[0].double(), scaled[1].double()).square().numpy()


def neighbours(train: Split, test: Split) -> None:
    """Nearest pictures and ridge regression to n-grams of names."""
    grams = TfidfVectorizer(analyzer="char_wb", ngram_range=GRAMS, sublinear_tf=True)
    names, own = names_of(train), names_of(test)
    known, wanted = grams.fit_transform(names), grams.transform(own)
    picture = next(iter(train.domain.places))
    x, seen = (s.x[:, s.domain.places[picture]].float().numpy() / 255 for s in (test, train))
    nearest = torch.cdist(torch.from_numpy(x), torch.from_numpy(seen)).topk(NEIGHBOURS, 1, largest=False).indices
    mean = np.stack([np.asarray(known[rows.numpy()].mean(0)).ravel() for rows in nearest])
    both_ways(f"{NEIGHBOURS} nearest pictures", _cosine(mean, wanted.toarray()), own)
    for alpha in (10.0, 100.0, 1000.0):
        told = Ridge(alpha=alpha).fit(seen, known.toarray()).predict(x)
        both_ways(f"ridge regression, alpha {alpha:g}", _cosine(told, wanted.toarray()), own)


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = (v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-12) for v in (a, b))
    return a @ b.T


def without_pictures(data: Data) -> Data:
    """The texts alone, as joint x of one modality."""

    def alone(split: Split) -> Split:
        own = of_part(split, TEXT)
        return replace(own, domain=Domain.joined(text=own.domain))

    train, valid, test = (alone(split) for split in (data.train, data.valid, data.test))
    return replace(data, domain=train.domain, train=train, valid=valid, test=test)


def per_character(log_p: Tensor, names: list[str]) -> str:
    """−log p per character, the end counted, with the error of the mean over names."""
    places = torch.tensor([len(name) + 1 for name in names], dtype=torch.float64)
    each = -log_p.double()
    ratio = float(each.sum() / places.sum())
    error = float((each - ratio * places).std() / len(names) ** 0.5 / places.mean())
    return f"{ratio:.3f} ± {error:.3f} nats per character"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--minutes", type=float, default=5.0, help="of the model without pictures")
    parser.add_argument("--num-samples", type=int, default=100, help="draws of z of each picture")
    parser.add_argument("--judged", type=int, default=200, help="draws behind each log p")
    args = parser.parse_args()
    run = unveil.Run.load(args.run)
    data, domain = run.data, run.domain
    test, train = (complete(split, domain) for split in (data.test, data.train))
    names = names_of(test)
    print(f"{len(test)} test pictures, {len(set(names))} different names; {len(train)} training pictures", flush=True)
    told = log_p_of_names(run.store, test, args.num_samples)
    both_ways("log p(name|picture)", told, names)
    both_ways("log p(name|picture) − log p(name)", told - np.logaddexp.reduce(told, 0), names)
    both_ways("distance in z", distances(run.store, test), names)
    neighbours(train, test)
    image = next(iter(domain.places))
    model = run.store.model
    log_p = {
        seen: closest(model, showing(test, domain, seen), ("iwae", "prior")[: 3 - len(seen)], args.judged)[0].log_px
        for seen in ((image, TEXT), (image,), (TEXT,))
    }
    given, alone = log_p[image, TEXT] - log_p[(image,)], log_p[(TEXT,)]
    weighed = torch.from_numpy(told.diagonal().copy())
    print(f"log p(name|picture) at draws of q(z|picture): {per_character(weighed, names)}", flush=True)
    print(
        f"as a difference of bounds: {per_character(given, names)}; log p(name): {per_character(alone, names)}",
        flush=True,
    )
    counted = ngrams(*(of_part(split, TEXT) for split in (data.train, data.valid, test)))
    print(f"{counted.description}: {per_character(torch.from_numpy(counted.log_px), names)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        fitting = prepare(
            "emoji",
            model="joint",
            arrange=without_pictures,
            out=Path(folder) / "run",
            options={"train.minutes": args.minutes},
        )
        texts = without_pictures(data).test
        own = closest(fitting.trained().model, texts, ("iwae", "prior"), args.judged)[0].log_px
    print(f"the same model without pictures: {per_character(own, names)}", flush=True)
    for name, other in (("n-grams", torch.from_numpy(counted.log_px)), ("the model without pictures", own)):
        gain = weighed - other.double()
        error = float(gain.std() / len(gain) ** 0.5)
        print(f"the picture buys {float(gain.mean()):.2f} ± {error:.2f} nats per name beside {name}", flush=True)


if __name__ == "__main__":
    main()
