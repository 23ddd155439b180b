"""An expectation by L samples."""

import numpy as np

from ..figures import Axis, Dots, Figure, Line
from ..words import Chapter, Code, Formula, Plot, Text, holds, say

LS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
M, S, X, SIGMA = 0.8, 0.5, 1.2, 0.5  # q = N(0.8, 0.5²), and log p(x|z) = log N(1.2; z, 0.5²)


def samples() -> None:
    import torch
    from torch.distributions import Normal

    torch.manual_seed(0)
    q, x = Normal(0.8, 0.5), torch.tensor(1.2)
    for L in (1, 10, 100, 10_000):
        z = q.sample((L,))  # z^(1), …, z^(L) ~ q(z|x)
        print(f"L = {L:6,}: {Normal(z, 0.5).log_prob(x).mean():.4f}")
    exact = Normal(0.8, 0.5).log_prob(x) - 0.5**2 / (2 * 0.5**2)
    print(f"exact     : {exact:.4f}")


def chapter(share: float) -> Chapter:
    rng = np.random.default_rng(0)
    repeats = max(200, int(1000 * share))
    exact = float(_log_lik(np.array(M)) - S**2 / (2 * SIGMA**2))
    estimates = [_log_lik(M + S * rng.normal(size=(repeats, L))).mean(1) for L in LS]
    errors = np.array([np.sqrt(((found - exact) ** 2).mean()) for found in estimates])
    z = (M - X) / SIGMA  # log p(x|z) is −½(z + (S/SIGMA) ε)² + const, whose variance has a closed form
    spread = float(np.sqrt(0.5 * (S / SIGMA) ** 4 + (z * S / SIGMA) ** 2))
    holds(bool(np.all(np.abs(errors * np.sqrt(LS) / spread - 1) < 0.4)), "the error falls like 1/√L")
    values = {
        "exact": exact,
        "one": errors[0],
        "many": errors[-1],
        "spread": spread,
        "repeats": repeats,
        "most": LS[-1],
    }
    paths = [np.cumsum(_log_lik(M + S * rng.normal(size=LS[-1]))) / np.arange(1, LS[-1] + 1) for _ in range(4)]
    kept = np.unique(np.geomspace(1, LS[-1], 160).astype(int))
    x_axis = Axis(
        Text("number of samples L", "样本数 L"), 1, 1024, log=True, marks=[(float(v), f"{v:,}") for v in LS[::2]]
    )
    return Chapter(
        "montecarlo",
        Text("An expectation is a mean of samples", "期望就是样本的平均"),
        [
            say(
                "$\\E_{q(z\\given x)}[\\log p(x\\given z)]$ reads: draw $z$ from $q(z\\given x)$ again and again, "
                "look at $\\log p(x\\given z)$ each time, and take the mean.",
                "$\\E_{q(z\\given x)}[\\log p(x\\given z)]$ 的读法：反复从 $q(z\\given x)$ 抽取 $z$，每次看 $\\log "
                "p(x\\given z)$，然后求平均。",
            ),
            Formula(r"\E_{q(z\given x)}[\log p(x\given z)] = \int q(z\given x) \log p(x\given z)\, dz"),
            Formula(
                r"\E_{p(x)}[f(x)] = \int_{-\infty}^{+\infty} f(x)\, p(x)\, dx \approx Q_{n} = \frac{1}{n} "
                r"\sum_{i=1}^{n} f(X_{i})"
            ),
            Code(samples),
            say(
                "The mean is right on average for every $L$. Its error is [[spread:.2f]]/√L here: with one sample "
                "[[one:.2f]], with [[most:,]] samples [[many:.3f]]. To halve the error takes four times the samples, "
                "in any number of dimensions. That is what a grid cannot do.",
                "对每个 $L$，这个平均在期望意义下都是对的。这里误差是 [[spread:.2f]]/√L：一个样本时 [[one:.2f]]，"
                "[[most:,]] 个样本时 [[many:.3f]]。误差减半需要四倍的样本，与维数无关。这是网格做不到的。",
            ),
            Plot(
                Text(
                    "Means of the first L samples, four times, and the exact value.",
                    "前 L 个样本的平均，重复四次，以及精确值。",
                ),
                [
                    Figure(
                        x_axis,
                        Axis(Text("mean of log p(x|z)", "log p(x|z) 的平均"), exact - 1.6, exact + 1.0),
                        [
                            *(Line(kept, path[kept - 1], (0, 2, 4, 5)[i], width=1.6) for i, path in enumerate(paths)),
                            Line([1, 1024], [exact, exact], 1, Text("exact", "精确值"), dashed=True),
                        ],
                        220,
                    )
                ],
            ),
            Plot(
                Text("Root mean square error over [[repeats:,]] repetitions.", "[[repeats:,]] 次重复的均方根误差。"),
                [
                    Figure(
                        x_axis,
                        Axis(Text("error in nats", "误差（纳特）"), 0.01, 2, log=True),
                        [
                            Line(LS, spread / np.sqrt(LS), 6, Text("by theory, ∝ 1/√L", "理论值，∝ 1/√L"), dashed=True),
                            Dots(LS, errors, 0, Text("measured", "测量值"), size=4),
                        ],
                        200,
                    )
                ],
            ),
            say(
                "A VAE trains with $L = 1$. One sample is noisy, but thousands of steps add up to many samples, and "
                "the rate needs none: it has the closed form of the [last chapter](#kl).",
                "训练 VAE 时取 $L = 1$。一个样本噪声很大，但成千上万步合起来就是很多样本；码率不需要样本，[上一"
                "章](#kl)有它的闭式解。",
            ),
            Formula(
                r"\argmax_{\phi, \theta}\, \E_{q_{\phi}(z\given x)}[\log p_{\theta}(x\given z)] - \KL(q_{\phi}(z\given "
                r"x)\|p(z))"
            ),
            Formula(
                r"\approx \argmax_{\phi, \theta}\, \frac{1}{L} \sum_{l=1}^{L} \log p_{\theta}(x\given z^{(l)}) - "
                r"\KL(q_{\phi}(z\given x)\|p(z))"
            ),
        ],
        values,
    )


def _log_lik(z: np.ndarray) -> np.ndarray:
    return np.asarray(-0.5 * ((X - z) / SIGMA) ** 2 - np.log(SIGMA) - 0.5 * np.log(2 * np.pi))
