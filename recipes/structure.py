"""Why does structure emerge in z? A VAE of the embedded digits, whole, and with one of its parts taken away.

    python recipes/structure.py [--out docs/*/measurements/structure.md]

loss = a · E_q[−log p(x|z)] + β · KL(q(z|x)‖p(z)), with (a, β) = (1, 1) for the whole, (1, 0) without a rate, (0, 1)
without reconstruction; and (1, 1) again without shared weights: every training example has a free (μ, σ) of its own in
place of the encoder, so nothing but the decoder ties one example to another. There are no test codes then, so every
number is also measured on training codes: k-NN is fitted on 1,000 of them and judged on the other 439.

Takes about a minute and a half of one thread.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch.distributions import Normal, kl_divergence

from unveil.batch import Batch
from unveil.data import Data, load_data
from unveil.diagnostics.codes import flat_x, posterior_draws, posterior_means, ppca_codes
from unveil.diagnostics.paths import PAIRS, evenness, line, walk
from unveil.diagnostics.probes import knn_hits, standardised
from unveil.diagnostics.structure import near
from unveil.models.vae import VAE
from unveil.ops import keyed, threads
from unveil.tour.chapters.structure import Free

LATENT, WIDTH, EPOCHS, BATCH = 8, 128, 80, 128
SEEDS = (0, 1, 2)
FITTED = 1000  # training codes that k-NN is fitted on, where it is judged on others of them
VARIANTS = {
    "the whole VAE": {},
    "no rate (β = 0)": {"beta": 0.0},
    "no reconstruction": {"reconstruction": 0.0},
    "no shared weights": {"shared": False},
    "nothing trained": {"epochs": 0},
}
CHINESE = {  # of a page below docs/zh
    "the whole VAE": "完整的 VAE",
    "no rate (β = 0)": "没有码率（β = 0）",
    "no reconstruction": "没有重构",
    "no shared weights": "没有共享权重",
    "nothing trained": "完全不训练",
    "pPCA codes": "pPCA 编码",
    "x itself": "x 本身",
    "k-NN, means": "k-NN，均值",
    "k-NN, draws": "k-NN，抽样",
    "trustworthiness": "可信度",
    "continuity": "连续度",
    "jump": "跳跃",
    "length": "长度",
    "k-NN, test means": "k-NN，测试均值",
}
COLUMNS = ("k-NN, means", "k-NN, draws", "trustworthiness", "continuity", "jump", "length", "k-NN, test means")


def fit(
    data: Data, seed: int, *, reconstruction: float = 1.0, beta: float = 1.0, shared: bool = True, epochs: int = EPOCHS
) -> tuple[VAE, Free | None]:
    """The fitted model, and the free posteriors where weights are not shared."""
    model = VAE.build(data.domain, latent=LATENT, network="mlp", width=WIDTH, depth=1)
    model.initialise(data.train.batch(torch.arange(len(data.train))))
    free = None if shared else Free(len(data.train), LATENT)
    groups = [{"params": model.parameters(), "lr": 1e-3}]
    if free is not None:  # a row is met once an epoch, so it takes larger steps
        groups.append({"params": free.parameters(), "lr": 3e-2})
    optimiser = torch.optim.Adam(groups)
    for batch in batches(data, epochs):
        q = model.posterior(batch).distribution.base_dist if free is None else free(batch.index)
        z = q.rsample()
        log_px_z = model.joint(batch, (z.unsqueeze(0),)).log_px_z[0]
        rate = kl_divergence(q, Normal(0.0, 1.0)).sum(-1)
        optimiser.zero_grad()
        (-reconstruction * log_px_z + beta * rate).mean().backward()
        optimiser.step()
    return model.eval(), free


def batches(data: Data, epochs: int) -> Iterator[Batch]:
    """Every training example once an epoch, in random order."""
    for _ in range(epochs):
        yield from map(data.train.batch, torch.randperm(len(data.train)).split(BATCH))


@torch.no_grad()
def measure(data: Data, model: VAE, free: Free | None, seed: int) -> dict[str, float]:
    """What is read off z, by the names of COLUMNS."""
    if free is None:
        means, draws = posterior_means(model, data.train), posterior_draws(model, data.train, seed)
    else:
        means, draws = free.mean.detach(), free(torch.arange(len(data.train))).sample()
    x, y = flat_x(data.train).numpy(), data.train.y.numpy()
    nearness = near(means.numpy()[:FITTED], x[:FITTED])
    ends = means[torch.randperm(len(means))[: 2 * PAIRS]]
    way = evenness(walk(model, (ends,), None, line), torch.ones(()))
    jump, length = (math.nan, math.nan) if way is None else way
    test = math.nan
    if free is None:
        test = knn(means.numpy(), y, posterior_means(model, data.test).numpy(), data.test.y.numpy())
    on_train = [knn(c[:FITTED], y[:FITTED], c[FITTED:], y[FITTED:]) for c in (means.numpy(), draws.numpy())]
    values = (*on_train, nearness.trustworthiness, nearness.continuity, jump, length, test)
    return dict(zip(COLUMNS, values, strict=True))


def references(data: Data) -> dict[str, dict[str, float]]:
    """pPCA codes of the same dimension, and x itself."""
    x, y = flat_x(data.train), data.train.y.numpy()
    tests = flat_x(data.test)
    codes = {"pPCA codes": (ppca_codes(x, x, LATENT), ppca_codes(x, tests, LATENT)), "x itself": (x, tests)}
    rows = {}
    for name, (train, test) in ((n, tuple(part.numpy() for part in pair)) for n, pair in codes.items()):
        nearness = near(train[:FITTED], x.numpy()[:FITTED])
        on_train = knn(train[:FITTED], y[:FITTED], train[FITTED:], y[FITTED:])
        on_test = knn(train, y, test, data.test.y.numpy())
        values = (on_train, math.nan, nearness.trustworthiness, nearness.continuity, math.nan, math.nan, on_test)
        rows[name] = dict(zip(COLUMNS, values, strict=True))
    return rows


def knn(train: np.ndarray, y: np.ndarray, test: np.ndarray, y_test: np.ndarray) -> float:
    """The accuracy of the 5 nearest neighbours."""
    train, test = standardised(train, test)
    return float(knn_hits(train, y, test, y_test).mean())


def table(found: dict[str, list[dict[str, float]]]) -> str:
    """Means over seeds ± the standard deviation between them, in Markdown."""
    lines = ["| | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, runs in found.items():
        cells = [cell(np.array([run[column] for run in runs])) for column in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(values: np.ndarray) -> str:
    """0.953 ± 0.004, or a dash."""
    if np.isnan(values).all():
        return "–"
    return f"{values.mean():.3f}" + (f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, nargs="+", default=[], help="put the table between the marks of these pages"
    )
    pages = parser.parse_args().out
    started, data = time.perf_counter(), load_data("digits")
    found: dict[str, list[dict[str, float]]] = {}
    with threads(1):
        for name, change in VARIANTS.items():
            for seed in SEEDS:
                with keyed("structure", seed):
                    model, free = fit(data, seed, **change)
                    found.setdefault(name, []).append(measure(data, model, free, seed))
                print(f"{name}, seed {seed}: {time.perf_counter() - started:.0f} s", flush=True)
    text = table(found | {name: [row] for name, row in references(data).items()})
    print(text)
    for page in pages:
        put_into(page, text)


def put_into(page: Path, text: str) -> None:
    """The table between the marks of a page, in Chinese where the page lies below zh."""
    if "zh" in page.parts:
        rows = (line.split("|") for line in text.splitlines())
        text = "\n".join(
            "|".join(f" {CHINESE.get(c.strip(), c.strip())} " if c.strip() else c for c in r) for r in rows
        )
        text = text.replace(" --- ", "---")
    before, _, rest = page.read_text(encoding="utf-8").partition("<!-- table -->")
    after = rest.partition("<!-- end -->")[2]
    page.write_text(f"{before}<!-- table -->\n{text}\n<!-- end -->{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
