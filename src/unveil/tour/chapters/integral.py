"""p(x) by summing over z and by integral, and why that fails as dimensions grow."""

import numpy as np

from ..figures import Axis, Figure, Line
from ..words import Chapter, Code, Formula, Plot, Text, holds, say
from ..world import log_normal

SIGMA, BUDGET = 0.3, 4096
GRIDS = {1: 4096, 2: 64, 3: 16, 4: 8, 6: 4, 12: 2}  # dimensions: points on each axis, 4,096 in all


def by_grid() -> None:
    import numpy as np
    from scipy.stats import norm

    x, sigma = 1.2, 0.3  # z ~ N(0, 1) and x ~ N(z, 0.3²), so p(x) = N(x; 0, 1 + 0.3²)
    z, width = np.linspace(-6, 6, 1000, retstep=True)
    print("sum over a grid of z ", (norm.pdf(z) * norm.pdf(x, z, sigma)).sum() * width)
    draws = np.random.default_rng(0).normal(size=1000)
    print("mean over draws of z ", norm.pdf(x, draws, sigma).mean())
    print("closed form          ", norm.pdf(x, 0, np.sqrt(1 + sigma**2)))


def chapter(share: float) -> Chapter:
    repeats = max(40, int(200 * share))
    rng = np.random.default_rng(0)
    dims = np.array(list(GRIDS))
    grid, prior, near = (np.empty(len(dims)) for _ in range(3))
    for i, (d, points) in enumerate(GRIDS.items()):
        errors = np.array([_errors(rng, d, points) for _ in range(repeats)])
        grid[i], prior[i], near[i] = np.sqrt((errors**2).mean(0))
    holds(grid[-1] > 100 * grid[0], "the error of the grid grows with the dimensions")
    holds(bool(prior[-1] > 5 * prior[0]), "the error of draws from the prior grows with the dimensions")
    holds(bool(near[-1] < prior[-1] / 20), "draws from near the posterior stay right")
    values = {
        "budget": BUDGET, "grid1": grid[0], "grid12": grid[-1], "prior1": prior[0], "prior12": prior[-1],
        "near12": near[-1], "repeats": repeats, "cost": 10.0**20,
    }  # fmt: skip
    top = 10 ** np.ceil(np.log10(max(grid.max(), prior.max())))
    low = 10 ** np.floor(np.log10(max(min(near.min(), prior.min()) / 2, 1e-4)))
    figure = Figure(
        Axis(Text("dimensions of z", "z 的维数"), 0.5, 12.5, marks=[(float(d), str(d)) for d in dims]),
        Axis(Text("error of log p(x) in nats", "log p(x) 的误差（纳特）"), low, top, log=True),
        [
            Line(dims, grid, 1, Text("grid over z", "z 的网格")),
            Line(dims, prior, 2, Text("draws from the prior", "从先验抽样")),
            Line(dims, near, 0, Text("draws from near p(z|x)", "在 p(z|x) 附近抽样")),
        ],
        270,
    )
    return Chapter(
        "integral",
        Text("p(x) by brute force, and where it ends", "暴力求 p(x)，以及它的尽头"),
        [
            say(
                "With three values of $z$ a sum gives $p(x)$. With a continuous $z$ the sum becomes an integral: the "
                "same thing, with infinitely many terms.",
                "$z$ 只有三个值时，求和就得到 $p(x)$。$z$ 连续时，求和变成积分：意思相同，只是项数无穷。",
            ),
            Formula(r"p(x) = \int p(x, z)\, dz = \int p(x\given z)\, p(z)\, dz"),
            say(
                "Two ways suggest themselves. Lay a grid over $z$ and add up $p(z_{i})\\, p(x\\given z_{i})$ times "
                "the width $\\Delta z$ of a cell. Or draw $z$ from the prior and take the mean of $p(x\\given z)$. "
                "In one dimension both work.",
                "有两种自然的办法。在 $z$ 上铺网格，把 $p(z_{i})\\, p(x\\given z_{i})$ 乘以格宽 $\\Delta z$ 加起来；"
                "或者从先验抽取 $z$，再求 $p(x\\given z)$ 的平均。一维时两种都行。",
            ),
            Formula(r"p(x) \approx \sum_{i} p(z_{i})\, p(x\given z_{i})\, \Delta z"),
            Formula(r"p(x) \approx \frac{1}{L} \sum_{l=1}^{L} p(x\given z^{(l)}), \quad z^{(l)} \sim p(z)"),
            Code(by_grid),
            say(
                "Now give both the same effort, [[budget:,]] values of $z$, and let the number of dimensions grow. "
                "Spread over 12 dimensions, a grid of [[budget:,]] points has two points on each axis. Its error "
                "grows from [[grid1:.0e]] nats to [[grid12:.1f]]. Draws from the prior hardly ever land where "
                "$p(x\\given z)$ is not nearly zero, and their error grows from [[prior1:.3f]] to [[prior12:.1f]] "
                "nats.",
                "现在给两种办法同样的工作量，即 [[budget:,]] 个 $z$，让维数增长。[[budget:,]] 个网格点摊到 12 维上，"
                "每条轴只剩两个点，误差从 [[grid1:.0e]] 纳特涨到 [[grid12:.1f]]。从先验抽出的 $z$ 几乎都落在 "
                "$p(x\\given z)$ 接近零的地方，误差从 [[prior1:.3f]] 涨到 [[prior12:.1f]] 纳特。",
            ),
            Plot(
                Text(
                    "Root mean square error of log p(x), over examples drawn from the model, with the same number of "
                    "values of z everywhere. The closed form is known here, so the error can be measured.",
                    "log p(x) 的均方根误差，样本取自模型，各处使用同样多的 z。这里有闭式解，所以误差可以测量。",
                ),
                [figure],
            ),
            say(
                "The third curve draws $z$ from a distribution that knows $x$ and lies near the posterior; each draw "
                "is weighed by $p(x, z)/q(z)$. In 12 dimensions its error is [[near12:.3f]] nats. That is the idea "
                "of all that follows: look for $z$ where this $x$ could have come from. The rest is the question how "
                "to find such a $q(z\\given x)$.",
                "第三条曲线从一个知道 $x$、位于后验附近的分布抽取 $z$，每个样本按 $p(x, z)/q(z)$ 加权。12 维时误差只"
                "有 [[near12:.3f]] 纳特。后面的一切都出自这个想法：到这个 $x$ 可能来自的地方去找 $z$。剩下的问题是怎"
                "样找到这样的 $q(z\\given x)$。",
            ),
            say(
                "The posterior meets the same wall, since $p(x)$ is its denominator: whoever knew $p(z\\given x)$ "
                "exactly would know $p(x)$ as well. The next chapter shows how.",
                "后验撞上的是同一堵墙，因为 $p(x)$ 就是它的分母：谁能精确知道 $p(z\\given x)$，谁也就知道 $p(x)$。下"
                "一章说明为什么。",
            ),
        ],
        values,
    )


def _errors(rng: np.random.Generator, d: int, points: int) -> tuple[float, float, float]:
    """By how much log p(x) of one x ~ p is missed: by a grid over [−4, 4]^d, by prior draws, by draws near p(z|x)."""
    x = rng.normal(size=d) * np.sqrt(1 + SIGMA**2)
    truth = log_normal(x, 0, np.sqrt(1 + SIGMA**2)).sum()
    width = 8 / points
    z = -4 + width * (np.arange(points) + 0.5)
    each = log_normal(z, 0, 1) + log_normal(x[:, None], z, SIGMA)  # [d, points]; the sum over the grid factorises
    on_grid = (_log_sum(each, -1) + np.log(width)).sum()
    draws = rng.normal(size=(BUDGET, d))
    by_prior = _log_sum(log_normal(x, draws, SIGMA).sum(-1), 0) - np.log(BUDGET)
    mean, scale = x / (1 + SIGMA**2), 1.1 * SIGMA / np.sqrt(1 + SIGMA**2)
    draws = mean + scale * rng.normal(size=(BUDGET, d))
    log_w = log_normal(draws, 0, 1) + log_normal(x, draws, SIGMA) - log_normal(draws, mean, scale)
    by_q = _log_sum(log_w.sum(-1), 0) - np.log(BUDGET)
    return float(on_grid - truth), float(by_prior - truth), float(by_q - truth)


def _log_sum(values: np.ndarray, axis: int) -> np.ndarray:
    top = values.max(axis, keepdims=True)
    return np.asarray(np.squeeze(top, axis) + np.log(np.exp(values - top).sum(axis)))
