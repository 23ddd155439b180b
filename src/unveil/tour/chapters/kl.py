"""The two KL divergences, and why they differ."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import minimize

from ..figures import Axis, Dots, Figure, Line, Live
from ..words import Chapter, Code, Formula, Lab, Plot, Text, holds, say

WEIGHTS, MEANS, SCALES = np.array([0.65, 0.35]), np.array([-1.6, 1.9]), np.array([0.6, 0.7])
Z = np.linspace(-8, 8, 3201)
WIDTH = Z[1] - Z[0]
SHOWN = slice(500, 2701, 11)
BREADTH = 0.7  # of the q that the slider moves


def closed_form() -> None:
    import torch
    from torch.distributions import Normal, kl_divergence

    torch.manual_seed(0)
    (m1, s1), (m2, s2) = (1.0, 0.5), (0.0, 1.0)
    formula = torch.tensor(s2 / s1).log() - 0.5 + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2)
    print(formula, "by the formula")
    print(kl_divergence(Normal(m1, s1), Normal(m2, s2)), "by torch")
    print(kl_divergence(Normal(m2, s2), Normal(m1, s1)), "the other way round")
    z = Normal(m1, s1).sample((100_000,))
    ratio = Normal(m1, s1).log_prob(z) - Normal(m2, s2).log_prob(z)
    print(ratio.mean(), "the mean of 100,000 draws of log q/p")


def chapter(share: float) -> Chapter:
    p = _mixture()
    log_p = np.log(p)
    means = np.linspace(-3, 3, 241)
    forward = np.array([_kl(_normal(m, BREADTH), log_p) for m in means])
    back = np.array([_kl_back(p, log_p, m, BREADTH) for m in means])
    starts = [(-1.6, 0.6), (1.9, 0.7), (0.0, 1.8)]  # either hill, and both
    mode = _best_of(lambda m, s: _kl(_normal(m, s), log_p), starts)
    wide, moments = _best_of(lambda m, s: _kl_back(p, log_p, m, s), starts), _moments()
    holds(mode[1] < 1 < wide[1], "KL(q‖p) fits one hill and KL(p‖q) covers both")
    holds(bool(np.allclose(wide, moments, atol=1e-4)), "the best q of KL(p‖q) has p's moments")
    holds(bool(forward.min() >= 0 and back.min() >= 0), "no KL is negative")
    values = {
        "m1": mode[0], "s1": mode[1], "m2": moments[0], "s2": moments[1], "least1": _kl(_normal(*mode), log_p),
        "breadth": BREADTH,
    }  # fmt: skip
    places = range(0, len(means), 8)
    frames = [(_hills(p, float(means[i]), BREADTH), _curves(means, forward, back, i)) for i in places]
    told = [
        Text(
            f"mean of q {means[i]:.1f}: KL(q‖p) = {forward[i]:.2f}, KL(p‖q) = {back[i]:.2f}".replace("-", "−"),
            f"q 的均值 {means[i]:.1f}：KL(q‖p) = {forward[i]:.2f}，KL(p‖q) = {back[i]:.2f}".replace("-", "−"),
        )
        for i in places
    ]
    return Chapter(
        "kl",
        Text("Two KLs, and they are not the same", "两个 KL，并不相同"),
        [
            say(
                "The KL divergence compares two distributions. It is an expectation under the first one, of how much "
                "likelier the first finds what it draws than the second does.",
                "KL 散度比较两个分布。它是在前一个分布下的期望：对自己抽出的样本，前者认为的可能性比后者高多少。",
            ),
            Formula(
                r"\KL(q \| p) = \int q(x) \log \frac{q(x)}{p(x)}\, dx = \E_{q}\left[\log \frac{q(X)}{p(X)}\right] \ge 0"
            ),
            say("For two normal distributions it has a closed form.", "对两个正态分布，它有闭式解。"),
            Formula(
                r"\KL(\N(\mu_{1}, \sigma_{1}^{2}) \| \N(\mu_{2}, \sigma_{2}^{2})) = \log "
                r"\frac{\sigma_{2}}{\sigma_{1}} - "
                r"\frac{1}{2} + \frac{\sigma_{1}^{2} + (\mu_{1} - \mu_{2})^{2}}{2 \sigma_{2}^{2}}"
            ),
            Code(closed_form),
            say(
                "A VAE uses it for each example, with $q_{\\phi}(z\\given x) = \\N(z; \\mu_{\\phi}(x), "
                "\\operatorname{diag}(\\sigma^{2}_{\\phi}(x)))$ and $p(z) = \\N(z; 0, I)$, and adds "
                "it up over the dimensions of $z$.",
                "VAE 对每个样本用到它：$q_{\\phi}(z\\given x) = \\N(z; \\mu_{\\phi}(x), "
                "\\operatorname{diag}(\\sigma^{2}_{\\phi}(x)))$，$p(z) = \\N(z; 0, I)$，再把 $z$ 的各维加起来。",
            ),
            say(
                "Exchange the two, and the number changes. To see what that means, let $p$ have two hills and $q$ "
                "only one. $\\KL(q\\|p)$ is large where $q$ is and $p$ is not: its best $q$ sits on one hill, at "
                "[[m1:.2f]] ± [[s1:.2f]]. $\\KL(p\\|q)$ is large where $p$ is and $q$ is not: its best $q$ covers "
                "both hills, at [[m2:.3f]] ± [[s2:.3f]], which are the mean and the standard deviation of $p$.",
                "把两者对调，数值就变了。为了看清含义，让 $p$ 有两座峰而 $q$ 只有一座。$q$ 有而 $p$ 没有的地方使 "
                "$\\KL(q\\|p)$ 变大：它的最优 $q$ 只占一座峰，在 [[m1:.2f]] ± [[s1:.2f]]。$p$ 有而 $q$ 没有的地方使 "
                "$\\KL(p\\|q)$ 变大：它的最优 $q$ 覆盖两座峰，在 [[m2:.3f]] ± [[s2:.3f]]，正是 $p$ 的均值和标准差。",
            ),
            Plot(
                Text(
                    "The best q of each KL, found by search over its mean and width.",
                    "两种 KL 各自的最优 q，由对均值与宽度的搜索得到。",
                ),
                [_best(p, mode, wide)],
            ),
            Plot(
                Text(
                    "Move q, of width [[breadth:.1f]], over p. KL(q‖p) has a valley at each hill; KL(p‖q) has one "
                    "between them.",
                    "让宽度为 [[breadth:.1f]] 的 q 在 p 上移动。KL(q‖p) 在每座峰处有一个谷；KL(p‖q) 只在两峰"
                    "之间有一个谷。",
                ),
                frames,
                Text("mean of q", "q 的均值"),
                told,
                start=15,
            ),
            Lab(
                Text(
                    "Your turn: move and widen q. Can you find the best q of each KL? The numbers are computed as "
                    "you move.",
                    "轮到你了：移动 q，改变它的宽度。你能找到每种 KL 的最优 q 吗？数字随着移动即时计算。",
                ),
                Figure(
                    Axis(Text("z", "z"), -5.5, 5.5),
                    Axis(Text("density", "密度"), 0, 1.4),
                    [Line(Z[SHOWN], p[SHOWN], 1, Text("p", "p"), filled=True), Live(0, Text("q", "q"))],
                    210,
                ),
                WEIGHTS.tolist(),
                MEANS.tolist(),
                SCALES.tolist(),
            ),
            say(
                "Variational inference uses $\\KL(q\\|p(z\\given x))$, because its expectation is under $q$, from "
                "which we can draw. The price: $q$ tends to be too narrow, and may miss a hill. And a posterior need "
                "not be a normal distribution: the best normal $q$ here is still [[least1:.2f]] nats away.",
                "变分推断用 $\\KL(q\\|p(z\\given x))$，因为期望在 $q$ 下求，而 $q$ 可以抽样。代价是 $q$ 往往偏窄，还"
                "可能漏掉一座峰。而且后验不一定是正态分布：这里最好的正态 $q$ 仍差 [[least1:.2f]] 纳特。",
            ),
        ],
        values,
    )


def _mixture() -> np.ndarray:
    return sum(w * np.exp(_normal(m, s)) for w, m, s in zip(WEIGHTS, MEANS, SCALES, strict=True))


def _moments() -> tuple[float, float]:
    """The mean and the standard deviation of p."""
    mean = float(WEIGHTS @ MEANS)
    return mean, float(np.sqrt(WEIGHTS @ (SCALES**2 + MEANS**2) - mean**2))


def _best_of(kl: Callable[[float, float], float], starts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The mean and the scale of the least KL, searched from several starts to more digits than are shown."""
    exact = {"xatol": 1e-7, "fatol": 1e-12}
    found = [
        minimize(lambda at: kl(at[0], np.exp(at[1])), [m, np.log(s)], method="Nelder-Mead", options=exact)
        for m, s in starts
    ]
    best = min(found, key=lambda result: float(result.fun)).x
    return float(best[0]), float(np.exp(best[1]))


def _normal(mean: float, scale: float) -> np.ndarray:
    """log N(z; mean, scale²) on the grid."""
    return -0.5 * ((Z - mean) / scale) ** 2 - np.log(scale) - 0.5 * np.log(2 * np.pi)


def _kl(log_q: np.ndarray, log_p: np.ndarray) -> float:
    return float((np.exp(log_q) * (log_q - log_p)).sum() * WIDTH)


def _kl_back(p: np.ndarray, log_p: np.ndarray, mean: float, scale: float) -> float:
    return float((p * (log_p - _normal(mean, scale))).sum() * WIDTH)


def _hills(p: np.ndarray, mean: float, scale: float) -> Figure:
    z = Z[SHOWN]
    return Figure(
        Axis(Text("z", "z"), -5.5, 5.5),
        Axis(Text("density", "密度"), 0, 0.72),
        [
            Line(z, p[SHOWN], 1, Text("p", "p"), filled=True),
            Line(z, np.exp(_normal(mean, scale))[SHOWN], 0, Text("q", "q"), width=2.6),
        ],
        180,
    )


def _curves(means: np.ndarray, forward: np.ndarray, back: np.ndarray, at: int) -> Figure:
    top = 1.05 * max(forward.max(), back.max())
    return Figure(
        Axis(Text("mean of q", "q 的均值"), -5.5, 5.5),
        Axis(Text("nats", "纳特"), 0, top),
        [
            Line(means, forward, 0, Text("KL(q‖p)", "KL(q‖p)")),
            Line(means, back, 2, Text("KL(p‖q)", "KL(p‖q)")),
            Dots([means[at]] * 2, [forward[at], back[at]], [0, 2], size=5),
        ],
        190,
    )


def _best(p: np.ndarray, mode: tuple[float, float], wide: tuple[float, float]) -> Figure:
    z = Z[SHOWN]
    return Figure(
        Axis(Text("z", "z"), -5.5, 5.5),
        Axis(Text("density", "密度"), 0, 0.72),
        [
            Line(z, p[SHOWN], 1, Text("p", "p"), filled=True),
            Line(z, np.exp(_normal(*mode))[SHOWN], 0, Text("q of least KL(q‖p)", "KL(q‖p) 最小的 q"), width=2.6),
            Line(z, np.exp(_normal(*wide))[SHOWN], 2, Text("q of least KL(p‖q)", "KL(p‖q) 最小的 q"), width=2.6),
        ],
        220,
    )
