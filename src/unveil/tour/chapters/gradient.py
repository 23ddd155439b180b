"""Reparametrisation against the score function: the same gradient, at very different variance."""

import numpy as np

from ..figures import Axis, Bars, Figure, Line
from ..words import Chapter, Code, Formula, Plot, Text, holds, say

M, S, X, SIGMA = 0.8, 0.5, 1.2, 0.5
DIMS = [1, 2, 4, 8, 16, 32, 64]


def gradients() -> None:
    import torch
    from torch.distributions import Normal

    torch.manual_seed(0)
    mu, sigma, x = 0.8, 0.5, 1.2  # f(z) = log N(x; z, 0.5²), q = N(mu, sigma²)
    eps = torch.randn(100_000)
    z = mu + sigma * eps
    f = Normal(z, 0.5).log_prob(torch.tensor(x))
    pathwise = (x - z) / 0.5**2  # df/dz · dz/dmu
    score = f * (z - mu) / sigma**2  # f · d log q(z)/dmu
    print(f"exact            {(x - mu) / 0.5**2:.3f}")
    print(f"reparametrised   {pathwise.mean():.3f}, variance {pathwise.var():.2f}")
    print(f"score function   {score.mean():.3f}, variance {score.var():.2f}")


def chapter(share: float) -> Chapter:
    rng = np.random.default_rng(0)
    count = max(20_000, int(100_000 * share))
    found = [_both(rng, d, count) for d in DIMS]
    variances = np.array([[g.var() for g in pair] for pair in found])
    exact = (X - M) / SIGMA**2
    for pair in found:
        for g in pair:
            holds(abs(g.mean() - exact) < 6 * g.std() / np.sqrt(count), "both estimators have the right mean")
    holds(bool(np.all(variances[:, 1] > variances[:, 0])), "the score function has the larger variance")
    holds(variances[-1, 1] > 50 * variances[0, 1], "the variance of the score function grows with the dimensions")
    values = {
        "exact": exact, "theory": S**2 / SIGMA**4, "rep1": variances[0, 0], "score1": variances[0, 1],
        "rep64": variances[-1, 0], "score64": variances[-1, 1], "ratio": variances[-1, 1] / variances[-1, 0],
        "count": count,
    }  # fmt: skip
    holds(abs(variances[0, 0] / (S**2 / SIGMA**4) - 1) < 0.05, "the variance of the reparametrised gradient is σ²/σₓ⁴")
    edges = np.linspace(-12, 14, 53)
    shares = [np.histogram(g, edges)[0] / count for g in found[0]]
    middles = (edges[1:] + edges[:-1]) / 2
    return Chapter(
        "gradient",
        Text("Where the gradient goes through chance", "梯度怎样穿过随机性"),
        [
            say(
                "To climb the ELBO we need its gradient in $\\phi$, but $\\phi$ sits in the distribution that we "
                "draw from. The trick: write the draw as a fixed function of a noise that knows nothing of $\\phi$.",
                "要爬升 ELBO，就需要它对 $\\phi$ 的梯度，可是 $\\phi$ 藏在抽样的分布里。技巧是把样本写成噪声的确定函"
                "数，而噪声与 $\\phi$ 无关。",
            ),
            Formula(
                r"x \sim \N(x; \mu, \sigma^{2}) \iff x = \mu + \sigma \epsilon, \quad \epsilon \sim \N(\epsilon; 0, I)"
            ),
            Formula(r"y = \frac{x - \mu}{\sigma}"),
            Formula(r"z = \mu_{\phi}(x) + \sigma_{\phi}(x) \odot \epsilon, \quad \epsilon \sim \N(\epsilon; 0, I)"),
            say(
                "Then the gradient passes through $z$ to $\\mu$ and $\\sigma$. There is an older way, the score "
                "function, that needs no gradient of $f$ at all:",
                "这样梯度就能经过 $z$ 传到 $\\mu$ 和 $\\sigma$。还有一种更早的办法，即得分函数，完全不需要 $f$ 的梯"
                "度：",
            ),
            Formula(
                r"\nabla_{\phi} \E_{q_{\phi}}[f(z)] = \E_{\epsilon}[\nabla_{\phi} f(\mu_{\phi} + \sigma_{\phi} "
                r"\epsilon)]"
            ),
            Formula(r"\nabla_{\phi} \E_{q_{\phi}}[f(z)] = \E_{q_{\phi}}[f(z)\, \nabla_{\phi} \log q_{\phi}(z)]"),
            Code(gradients),
            say(
                "Both have the same mean, the true gradient [[exact:.2f]]. A single draw of the first has variance "
                "[[rep1:.2f]] (by theory [[theory:.2f]]), of the second [[score1:.1f]].",
                "两者的平均相同，都是真梯度 [[exact:.2f]]。单个样本的方差，前者是 [[rep1:.2f]]（理论值 "
                "[[theory:.2f]]），后者是 [[score1:.1f]]。",
            ),
            Plot(
                Text(
                    "What one draw says the gradient is, over [[count:,]] draws, in one dimension.",
                    "一维情形下，单个样本给出的梯度，共 [[count:,]] 个样本。",
                ),
                [
                    Figure(
                        Axis(Text("gradient in μ, from one draw", "单个样本给出的对 μ 的梯度"), -12, 14),
                        Axis(Text("share of draws", "样本比例"), 0, 1.08 * float(max(s.max() for s in shares))),
                        [
                            Bars(middles, shares[1], 1, Text("score function", "得分函数"), 0.5),
                            Line(middles, shares[0], 0, Text("reparametrised", "重参数化"), filled=True),
                            Line([exact, exact], [0, 1], 7, Text("true gradient", "真梯度"), dashed=True, width=1.4),
                        ],
                        210,
                    )
                ],
            ),
            say(
                "The score function multiplies by the whole of $f$. If $f$ is a sum over $D$ dimensions, the noise "
                "of all the others comes into the gradient of each one. At $D = 64$ its variance is [[score64:,.0f]] "
                "against [[rep64:.2f]]: it would take [[ratio:,.0f]] times as many draws.",
                "得分函数乘上的是整个 $f$。如果 $f$ 是 $D$ 维之和，其余各维的噪声都会混进每一维的梯度。$D = 64$ 时方"
                "差是 [[score64:,.0f]] 对 [[rep64:.2f]]：需要 [[ratio:,.0f]] 倍的样本。",
            ),
            Plot(
                Text("Variance of the gradient of one μ, measured.", "对某一个 μ 的梯度的方差，测量值。"),
                [
                    Figure(
                        Axis(Text("dimensions D", "维数 D"), 1, 64, log=True, marks=[(float(d), str(d)) for d in DIMS]),
                        Axis(Text("variance", "方差"), 1, 10 ** float(np.ceil(np.log10(variances.max()))), log=True),
                        [
                            Line(DIMS, variances[:, 1], 1, Text("score function", "得分函数")),
                            Line(DIMS, variances[:, 0], 0, Text("reparametrised", "重参数化")),
                        ],
                        210,
                    )
                ],
            ),
            say(
                "Where $z$ is discrete there is no reparametrisation. Then the score function is used with a "
                "baseline that takes most of the noise away; in `unveil` the objective is called `rloo`.",
                "$z$ 离散时没有重参数化。这时用得分函数，再减去一个基线，去掉大部分噪声；`unveil` 里这个目标叫 "
                "`rloo`。",
            ),
        ],
        values,
    )


def _both(rng: np.random.Generator, dims: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws of the gradient in the first μ: reparametrised, and by the score function."""
    z = M + S * rng.normal(size=(count, dims))
    f = (-0.5 * ((X - z) / SIGMA) ** 2 - np.log(SIGMA) - 0.5 * np.log(2 * np.pi)).sum(1)
    return (X - z[:, 0]) / SIGMA**2, f * (z[:, 0] - M) / S**2
