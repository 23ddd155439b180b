"""Maximum likelihood, the sum over data points, and what a bound changes."""

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize_scalar

from ..figures import Axis, Dots, Figure, Line, Numbers
from ..fits import digits, digits_vae, judged, steps_of
from ..words import Chapter, Code, Formula, Plot, Text, holds, say

V, S2 = 4.0, 1.0  # the mean of x², and the variance of the noise


def sums() -> None:
    import numpy as np

    x = np.random.default_rng(0).random(2000) < 0.3  # 2,000 flips of a coin
    for theta in (0.2, 0.3, 0.4):
        p = np.where(x, theta, 1 - theta)
        print(f"θ = {theta}: product {p.prod()}, sum of logarithms {np.log(p).sum():.2f}")


def chapter(share: float) -> Chapter:
    elbos = judged(digits_vae(steps_of(600, share)), digits().test).elbo
    theta = np.linspace(0.3, 2.2, 200)
    logs, bounds = _log_px(theta), _bound(theta)
    mle, low = _highest(_log_px), _highest(_bound)
    exact = float(np.sqrt((V - S2) / 2))
    holds(abs(mle - exact) < 1e-5, "the maximum of log p(x) is where the variance is that of the data")
    holds(low < mle - 0.05, "the bound of a factorised q has its maximum at a smaller θ")
    values = {
        "mle": mle, "low": low, "lost": float(_log_px(np.array(mle)) - _log_px(np.array(low))), "n": len(elbos),
        "mean": float(elbos.mean()), "sum": float(elbos.sum()), "first": float(elbos[0]), "second": float(elbos[1]),
    }  # fmt: skip
    figure = Figure(
        Axis(Text("θ", "θ"), 0.3, 2.2),
        Axis(Text("nats, mean over the data", "纳特（数据平均）"), -2.75, -2.05),
        [
            Line(theta, logs, 7, Text("log p(x)", "log p(x)")),
            Line(theta, bounds, 0, Text("ELBO with the best factorised q", "最优的分解式 q 的 ELBO")),
            Dots([mle], _log_px(np.array([mle])), 7, size=5),
            Dots([low], _bound(np.array([low])), 0, size=5),
        ],
        230,
    )
    return Chapter(
        "mle",
        Text("Maximum likelihood, one sum over all data", "最大似然：对全部数据求和"),
        [
            say(
                "A good $p(x\\given z)$ gives high scores to what was seen. Maximum likelihood looks for the "
                "parameters θ under which all the data together is likeliest. The examples are independent, so their "
                "joint probability is a product.",
                "好的 $p(x\\given z)$ 会给见过的样本较高的分数。最大似然寻找使全部数据一起最可能出现的参数 θ。样本相"
                "互独立，所以联合概率是乘积。",
            ),
            Formula(
                r"\max_{\theta}\, p_{\theta}(x), \qquad \theta^{*} = \argmax_{\theta}\, \prod_{i=1}^{N} p(x_{i} \given "
                r"\theta)"
            ),
            Code(sums),
            say(
                "The product is too small for a computer. Its logarithm is a sum, and has its maximum at the same θ. "
                "A VAE replaces each $\\log p(x_{i})$ by its bound and climbs in both sets of weights:",
                "这个乘积小到计算机无法表示；取对数就成了求和，最大值仍在同一个 θ。VAE 把每个 $\\log p(x_{i})$ 换成它"
                "的下界，对两组权重一起爬升：",
            ),
            Formula(r"\max_{\phi, \theta}\, \sum_{i=1}^{N} \ELBO(x_{i})"),
            say(
                "Papers often write one $x$ and leave out the sum; the joint probability of all $N$ pictures is "
                "meant. Of [[n]] test digits the first two have an ELBO of [[first:.2f]] and [[second:.2f]], all "
                "together [[sum:,.0f]], which is [[mean:.2f]] on average.",
                "论文常常只写一个 $x$ 而省略求和，指的其实是全部 $N$ 张图的联合概率。[[n]] 个测试数字中，前两个的 "
                "ELBO 是 [[first:.2f]] 和 [[second:.2f]]，合计 [[sum:,.0f]]，平均 [[mean:.2f]]。",
            ),
            say(
                "Is raising the bound the same as raising $p(x)$? For θ it is sure only where the gap does not "
                "depend on θ. Here is a model where it is not: two latents are added, $x = \\theta (z_{1} + z_{2}) + "
                "\\epsilon$. Seeing $x$ ties them together; a $q$ that is a product of one factor for each cannot "
                "follow.",
                "提高下界等于提高 $p(x)$ 吗？对 θ 来说，只有差距与 θ 无关时才有把握。下面的模型就不是：两个隐变量相"
                "加，$x = \\theta (z_{1} + z_{2}) + \\epsilon$。看见 $x$ 之后两者就有了联系，而各自独立的 $q$ 跟不"
                "上。",
            ),
            Formula(
                r"\log p(x) - \max_{q = q_{1} q_{2}}\, \ELBO = \frac{1}{2} \log \frac{(1 + a)^{2}}{1 + 2a}, \quad "
                r"a = \frac{\theta^{2}}{\sigma^{2}}"
            ),
            Plot(
                Text(
                    "The gap grows with θ, so the bound has its maximum further to the left.",
                    "差距随 θ 增大，所以下界的最大值偏左。",
                ),
                [figure],
            ),
            say(
                "The likelihood is highest at θ = [[mle:.2f]], the bound at θ = [[low:.2f]]; taking the latter loses "
                "[[lost:.3f]] nats per example. A $q$ that can follow the posterior closes this: the better $q$, the "
                "less the model is bent to suit it.",
                "似然在 θ = [[mle:.2f]] 处最高，下界在 θ = [[low:.2f]] 处最高；取后者每个样本损失 [[lost:.3f]] 纳特。"
                "能跟上后验的 $q$ 会消除这一点：$q$ 越好，模型越不必迁就它。",
            ),
        ],
        values,
    )


def _log_px(theta: Numbers) -> Numbers:
    variance = 2 * theta**2 + S2
    return np.asarray(-0.5 * np.log(2 * np.pi * variance) - V / (2 * variance))


def _bound(theta: Numbers) -> Numbers:
    """The mean ELBO with the best q₁q₂."""
    return np.asarray(_log_px(theta) - _gap(theta))


def _highest(value: Callable[[Numbers], Numbers]) -> float:
    """The θ of the highest value, to more digits than are shown."""
    found = minimize_scalar(lambda theta: -float(value(np.array(theta))), bounds=(0.3, 2.2), options={"xatol": 1e-8})
    return float(found.x)


def _gap(theta: Numbers) -> Numbers:
    """KL(q‖p(z|x)) of the best q₁q₂: its precisions are the diagonal of the posterior's, 1 + a."""
    a = theta**2 / S2
    return np.asarray(0.5 * np.log((1 + a) ** 2 / (1 + 2 * a)))
