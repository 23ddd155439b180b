"""The Gaussian likelihood, and what its σ does."""

import numpy as np

from ..figures import Axis, Dots, Figure, Line, Numbers
from ..words import Chapter, Code, Formula, Plot, Text, holds, say

LATENT = 10


def likelihood() -> None:
    import torch
    from torch.distributions import Normal

    x, x_hat, sigma = torch.tensor([0.2, 0.9, 0.4]), torch.tensor([0.3, 0.7, 0.4]), 0.1
    d, error = len(x), ((x - x_hat) ** 2).sum()
    negative = d / 2 * torch.tensor(2 * torch.pi * sigma**2).log() + error / (2 * sigma**2)
    print(f"d/2 log 2πσ² + ‖x − x̂‖²/2σ² = {negative:.4f}")
    print(f"−log p(x|z) by torch        = {-Normal(x_hat, sigma).log_prob(x).sum():.4f}")


def chapter(share: float) -> Chapter:
    from sklearn.datasets import load_digits

    x = load_digits().data / 16
    eigen = np.linalg.eigvalsh(np.cov(x.T, bias=True))[::-1]
    sigmas = np.geomspace(0.03, 0.8, 60)
    rows = np.array([_linear(eigen, s) for s in sigmas])
    best = float(np.sqrt(eigen[LATENT:].mean()))
    top = int(rows[:, 2].argmax())
    holds(abs(np.log(sigmas[top] / best)) < 0.06, "log p(x) is highest where σ² is the mean square error")
    holds(bool(np.all(np.diff(rows[:, 0]) <= 1e-9)), "a larger σ lowers the rate")
    holds(rows[0, 1] == LATENT and rows[-1, 1] < 2, "latents switch off as σ grows")
    values = {
        "best": best, "low": rows[0, 0], "at_best": _linear(eigen, best)[0],
        "high": rows[-1, 0], "latent": LATENT, "first": sigmas[0], "last": sigmas[-1],
    }  # fmt: skip
    frames = [_figure(sigmas, rows, best, i) for i in range(0, len(sigmas), 2)]
    told = [
        Text(
            f"σ = {sigmas[i]:.3f}: rate {rows[i, 0]:.1f} nats, {rows[i, 1]:.0f} of {LATENT} latents in use, log p(x) "
            f"{rows[i, 2]:.1f}",
            f"σ = {sigmas[i]:.3f}：码率 {rows[i, 0]:.1f} 纳特，{LATENT} 个隐变量中 {rows[i, 1]:.0f} 个在用，log p(x) "
            f"{rows[i, 2]:.1f}",
        )
        for i in range(0, len(sigmas), 2)
    ]
    return Chapter(
        "sigma",
        Text("The Gaussian likelihood, and what σ does", "高斯似然，以及 σ 的作用"),
        [
            say(
                "For real numbers the usual guess for $p(x\\given z)$ is a normal distribution around the decoder's "
                "answer $\\hat{x} = \\mu_{\\theta}(z)$. Its logarithm is a squared error with two constants. Neither "
                "may be dropped.",
                "对实数数据，$p(x\\given z)$ 通常取以解码器输出 $\\hat{x} = \\mu_{\\theta}(z)$ 为中心的正态分布。它的"
                "对数就是平方误差再加两个常数，哪个都不能丢。",
            ),
            Formula(
                r"p_{\theta}(x\given z) = \N(x; \mu_{\theta}(z), \sigma^{2} I) = \frac{1}{(2\pi\sigma^{2})^{d/2}} "
                r"\exp\left(-\frac{1}{2\sigma^{2}} \left\Vert x - \hat{x} \right\Vert^{2}\right)"
            ),
            Formula(
                r"-\log p(x\given z) = \frac{d}{2} \log(2\pi\sigma^{2}) + \frac{1}{2\sigma^{2}} \left\Vert x - "
                r"\hat{x} \right\Vert^{2}"
            ),
            Code(likelihood),
            Plot(
                Text(
                    "−log p(x|z) per dimension over σ, for three errors |x − x̂|. Each is least where σ equals the "
                    "error (the dot): a smaller σ claims more than it keeps, a larger one wastes density.",
                    "每一维的 −log p(x|z) 随 σ 的变化，三种误差 |x − x̂|。σ 等于误差时最小（圆点）：σ 更小是说大话，"
                    "更大则浪费密度。",
                ),
                [_costs()],
            ),
            say(
                "σ is also the price of the rate. The error enters with weight $1/2\\sigma^{2}$ against a KL with "
                "weight 1, so a small σ buys detail with many nats of $z$, and a large one lets $z$ go. In a linear "
                "decoder this can be solved: with the eigenvalues $\\lambda_{i}$ of the data's covariance, the best "
                "model has the rate $R$:",
                "σ 也是码率的价格。误差的权重是 $1/2\\sigma^{2}$，KL 的权重是 1，所以小 σ 用 $z$ 的许多纳特换取细节，"
                "大 σ 则放弃 $z$。线性解码器的情形可以解出来：设数据协方差的特征值为 $\\lambda_{i}$，最优模型的码率 "
                "$R$ 是",
            ),
            Formula(r"R = \frac{1}{2} \sum_{i:\ \lambda_{i} > \sigma^{2}} \log \frac{\lambda_{i}}{\sigma^{2}}"),
            say(
                "A latent whose $\\lambda_{i}$ falls below $\\sigma^{2}$ is not used at all: that is collapse, and "
                "it is the optimum. On the 8×8 digits with [[latent]] latents the rate falls from [[low:.1f]] nats "
                "at σ = [[first:.2f]] to [[high:.1f]] at σ = [[last:.1f]]. log p(x) is highest at σ = [[best:.3f]], "
                "where $\\sigma^{2}$ is the mean square error that stays; the rate there is [[at_best:.1f]] nats.",
                "$\\lambda_{i}$ 低于 $\\sigma^{2}$ 的隐变量完全不用：这就是坍塌，而且是最优解。在 8×8 手写数字上用 "
                "[[latent]] 个隐变量，码率从 σ = [[first:.2f]] 时的 [[low:.1f]] 纳特降到 σ = [[last:.1f]] 时的 "
                "[[high:.1f]]。log p(x) 在 σ = [[best:.3f]] 处最高，此时 $\\sigma^{2}$ 就是剩余的均方误差，码率为 "
                "[[at_best:.1f]] 纳特。",
            ),
            Plot(
                Text(
                    "Rate and log p(x) of the best linear model with each σ.",
                    "每个 σ 下最优线性模型的码率与 log p(x)。",
                ),
                frames,
                Text("σ", "σ"),
                told,
                start=12,
            ),
            say(
                "So do not set σ by taste: learn it, which is what `likelihood=gaussian` does, or solve for it "
                "(`likelihood.sigma=solved`).",
                "所以不要凭感觉定 σ：让它一起学，`likelihood=gaussian` 就是这样做的；或者直接解出来"
                "（`likelihood.sigma=solved`）。",
            ),
        ],
        values,
    )


def _linear(eigen: Numbers, sigma: float) -> tuple[float, float, float]:
    """Rate, latents in use and mean log p(x) of the best linear Gaussian model with this σ."""
    kept = eigen[:LATENT][eigen[:LATENT] > sigma**2]
    rest = np.concatenate([eigen[len(kept) : LATENT], eigen[LATENT:]])
    rate = 0.5 * np.log(kept / sigma**2).sum()
    logs = np.log(2 * np.pi * kept).sum() + len(kept) + len(rest) * np.log(2 * np.pi * sigma**2) + rest.sum() / sigma**2
    return float(rate), float(len(kept)), float(-0.5 * logs)


def _costs() -> Figure:
    sigma = np.geomspace(0.05, 2, 90)
    errors = (0.1, 0.3, 0.8)

    def cost(s: Numbers | float, e: float) -> Numbers:
        return np.asarray(0.5 * np.log(2 * np.pi * np.square(s)) + e**2 / (2 * np.square(s)))

    marks = [Line(sigma, cost(sigma, e), (0, 2, 1)[i], Text(f"error {e}", f"误差 {e}")) for i, e in enumerate(errors)]
    dots = [Dots([e], [float(cost(e, e))], (0, 2, 1)[i], size=4) for i, e in enumerate(errors)]
    places = [(v, str(v)) for v in (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)]
    return Figure(
        Axis(Text("σ", "σ"), 0.05, 2, log=True, marks=places), Axis(Text("nats", "纳特"), -2, 4), [*marks, *dots], 220
    )


def _figure(sigmas: Numbers, rows: Numbers, best: float, at: int) -> tuple[Figure, Figure]:
    places = [(v, str(v)) for v in (0.03, 0.1, 0.2, 0.4, 0.8)]
    x = Axis(Text("σ", "σ"), 0.03, 0.8, log=True, marks=places)
    rate = Figure(
        x,
        Axis(Text("rate in nats", "码率（纳特）"), 0, 25),
        [Line(sigmas, rows[:, 0], 3), Dots([sigmas[at]], [rows[at, 0]], 3, size=5)],
        150,
    )
    log = Figure(
        x,
        Axis(Text("mean log p(x)", "log p(x) 平均"), -70, 60),
        [
            Line(sigmas, rows[:, 2], 0),
            Line([best, best], [-70, 60], 1, Text("σ² = mean square error", "σ² = 均方误差"), dashed=True, width=1.4),
            Dots([sigmas[at]], [rows[at, 2]], 0, size=5),
        ],
        170,
    )
    return rate, log
