"""log p(x) = ELBO + KL(q‖posterior), with all terms moving while q is fitted."""

from itertools import pairwise

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from ..figures import Axis, Bars, Dots, Figure, Line
from ..words import Chapter, Code, Command, Formula, Plot, Text, Value, holds, say

X, SIGMA, STEPS, EVERY = 2.5, 0.5, 150, 6
LR = 0.02  # small enough that no step goes past the top


def terms() -> None:
    import numpy as np

    from unveil.tour.world import P_X_GIVEN_Z, P_Z

    q = np.array([0.2, 0.3, 0.5])
    p_x_z = P_X_GIVEN_Z[:, 2]  # two umbrellas
    p_x = (P_Z * p_x_z).sum()
    expected = (q * np.log(p_x_z)).sum()
    to_prior = (q * np.log(q / P_Z)).sum()
    to_posterior = (q * np.log(q / (P_Z * p_x_z / p_x))).sum()
    elbo = expected - to_prior
    print(f"E_q[log p(x|z)] − KL(q‖p(z)) = {expected:.4f} − {to_prior:.4f} = {elbo:.4f}")
    print(f"ELBO + KL(q‖p(z|x)) = {elbo:.4f} + {to_posterior:.4f}")
    print(f"log p(x) = {np.log(p_x):.4f}")


def chapter(share: float) -> Chapter:
    z = torch.linspace(-7, 7, 4001, dtype=torch.float64)
    width = float(z[1] - z[0])
    log_lik = Normal(torch.exp(0.7 * z), SIGMA).log_prob(torch.tensor(X, dtype=torch.float64))
    log_joint = Normal(0.0, 1.0).log_prob(z) + log_lik
    log_px = float(torch.logsumexp(log_joint, 0)) + np.log(width)
    log_post = log_joint - log_px
    states = fitted(z, width, log_lik)
    rows = [_terms(z, width, log_lik, log_post, *state) for state in states]
    worst = max(abs(log_px - row["elbo"] - row["gap"]) for row in rows)
    holds(worst < 1e-6, "log p(x) is ELBO + KL(q‖p(z|x)) at every step")
    holds(all(b["elbo"] > a["elbo"] - 1e-9 for a, b in pairwise(rows)), "q climbs the ELBO at every step")
    holds(abs(rows[-1]["gap"] - _least(z, width, log_lik, log_post)) < 1e-3, "q ends as near as a Gaussian comes")
    values: dict[str, Value] = {
        "log_px": log_px, "worst": worst, "gap0": rows[0]["gap"], "gap1": rows[-1]["gap"], "elbo0": rows[0]["elbo"],
        "elbo1": rows[-1]["elbo"],
    }  # fmt: skip
    shown = range(0, len(states), EVERY)
    density = np.exp(log_post.numpy())
    frames = [(_densities(z.numpy(), density, *states[i]), _bars(rows, i, log_px)) for i in shown]
    told = [
        Text(
            f"step {i}: log p(x) {log_px:.3f} = ELBO {rows[i]['elbo']:.3f} + KL(q‖p(z|x)) {rows[i]['gap']:.3f}; "
            f"ELBO = {rows[i]['recon']:.3f} − {rows[i]['rate']:.3f}".replace("-", "−"),
            f"第 {i} 步：log p(x) {log_px:.3f} = ELBO {rows[i]['elbo']:.3f} + KL(q‖p(z|x)) {rows[i]['gap']:.3f}；"
            f"ELBO = {rows[i]['recon']:.3f} − {rows[i]['rate']:.3f}".replace("-", "−"),
        )
        for i in shown
    ]
    return Chapter(
        "identity",
        Text("log p(x) = ELBO + KL", "log p(x) = ELBO + KL"),
        [
            say(
                "Start from $\\log p(x)$, which has no $z$, and take its mean under $q$; since $q$ sums to one, "
                "nothing changes. Put in $p(x) = p(x, z)/p(z\\given x)$, and multiply and divide by $q$.",
                "从不含 $z$ 的 $\\log p(x)$ 出发，对 $q$ 求平均；$q$ 的总和为一，所以什么也没变。代入 $p(x) = p(x, "
                "z)/p(z\\given x)$，再乘上并除以 $q$。",
            ),
            Formula(
                r"\log p(x) = \log p(x) \int q_{\phi}(z\given x)\, dz = \int q_{\phi}(z\given x) \log p(x)\, dz",
                r"= \E_{q_{\phi}(z\given x)}[\log p(x)] = \E_{q_{\phi}(z\given x)}\left[\log \frac{p(x, z)}{p(z\given "
                r"x)}"
                r"\right]",
                r"= \E_{q_{\phi}(z\given x)}\left[\log \frac{p(x, z)\, q_{\phi}(z\given x)}{p(z\given x)\, "
                r"q_{\phi}(z\given x)}\right]",
                r"= \E_{q_{\phi}(z\given x)}\left[\log \frac{p(x, z)}{q_{\phi}(z\given x)}\right] + "
                r"\E_{q_{\phi}(z\given x)}\left[\log \frac{q_{\phi}(z\given x)}{p(z\given x)}\right]",
                r"= \ELBO + \KL(q_{\phi}(z\given x) \| p(z\given x)), \quad \KL \ge 0",
            ),
            say(
                "So the gap of Jensen's inequality has a name: the KL divergence of $q$ from the true posterior. The "
                "same from the other end: write that KL out, and use Bayes' rule for $\\log p(z\\given x)$.",
                "于是 Jensen 不等式的差距有了名字：$q$ 到真后验的 KL 散度。从另一头也能得到：把这个 KL 写开，对 "
                "$\\log p(z\\given x)$ 用贝叶斯公式。",
            ),
            Formula(r"\log p(z\given x) = \log p(x\given z) + \log p(z) - \log p(x)"),
            Formula(
                r"\KL(q_{\phi}(z\given x)\|p(z\given x)) = \E_{q_{\phi}}[\log q_{\phi}(z\given x) - \log p(z\given x)]",
                r"= \E_{q_{\phi}}[\log q_{\phi}] - \E_{q_{\phi}}[\log p(x\given z)] - \E_{q_{\phi}}[\log p(z)] + "
                r"\log p(x)",
                r"= -\mathcal{L}(\phi) + \log p(x), \quad \mathcal{L}(\phi) = \ELBO",
            ),
            say(
                "The ELBO has two parts of its own: how well the decoder explains $x$ from the $z$ of $q$ (the "
                "**reconstruction term**), less how far $q$ moves away from the prior (the **rate**, or prior "
                "matching term).",
                "ELBO 自己也有两部分：解码器用 $q$ 的 $z$ 解释 $x$ 有多好（**重构项**），减去 $q$ 离先验有多远（**码"
                "率**，即先验匹配项）。",
            ),
            Formula(
                r"\ELBO(x) = \E_{q_{\phi}(z\given x)}\left[\log \frac{p_{\theta}(x\given z)\, p(z)}{q_{\phi}(z\given "
                r"x)}"
                r"\right]",
                r"= \E_{q_{\phi}(z\given x)}[\log p_{\theta}(x\given z)] + \E_{q_{\phi}(z\given x)}\left[\log "
                r"\frac{p(z)}{q_{\phi}(z\given x)}\right]",
                r"= \E_{q_{\phi}(z\given x)}[\log p_{\theta}(x\given z)] - \KL(q_{\phi}(z\given x)\|p(z))",
            ),
            Formula(
                r"\log p(x) = \E_{q_{\phi}(z\given x)}[\log p_{\theta}(x\given z)] - \KL(q_{\phi}(z\given x)\|p(z))",
                r"\quad + \KL(q_{\phi}(z\given x)\|p(z\given x))",
            ),
            Code(terms),
            say(
                "There are two different KLs here. $\\KL(q\\|p(z))$ is a part of the ELBO, and we can compute it. "
                "$\\KL(q\\|p(z\\given x))$ is the gap; we cannot compute it in general, but it is never negative.",
                "这里有两个不同的 KL。$\\KL(q\\|p(z))$ 是 ELBO 的一部分，可以算。$\\KL(q\\|p(z\\given x))$ 是差距，一"
                "般算不出来，但从不为负。",
            ),
            say(
                "Now fit $q$. The prior is $\\N(0, 1)$, the decoder is $\\N(x; e^{0.7z}, 0.5^{2})$, and one $x$ is "
                "seen. A Gaussian $q$ climbs the ELBO by small gradient steps. Move the slider: the ELBO goes from "
                "[[elbo0:.2f]] to [[elbo1:.2f]], the gap from [[gap0:.2f]] to [[gap1:.3f]] nats, and their sum never "
                "moves (to within [[worst:.0e]]).",
                "现在来拟合 $q$。先验是 $\\N(0, 1)$，解码器是 $\\N(x; e^{0.7z}, 0.5^{2})$，看见一个 $x$。高斯分布 "
                "$q$ 沿梯度小步爬升 ELBO。移动滑块：ELBO 从 [[elbo0:.2f]] 升到 [[elbo1:.2f]]，差距从 [[gap0:.2f]] 缩到 "
                "[[gap1:.3f]] 纳特，两者之和始终不动（误差不超过 [[worst:.0e]]）。",
            ),
            Plot(
                Text(
                    "Above: q moves onto the posterior. Below: the two parts of the ELBO, and the gap, which "
                    "together reach log p(x). q is a Gaussian and the posterior is not quite, so a small gap stays.",
                    "上图：q 移到后验上。下图：ELBO 的两部分与差距，合起来总是 log p(x)。q 是高斯分布，后验不完全是，"
                    "所以留下一点差距。",
                ),
                frames,
                Text("step of fitting q", "拟合 q 的步数"),
                told,
            ),
            Formula(r"\ELBO = \log p(x) - \KL(q(z)\|p(z\given x)) \le \log p(x)"),
            say(
                "Hence two readings of one climb. In $\\phi$, $\\log p(x)$ does not move, so raising the ELBO is the "
                "same as $\\min_{\\phi}\\, \\KL(q_{\\phi}(z\\given x)\\|p(z\\given x))$. The best $q$ of all is the "
                "posterior, and there the ELBO is $\\log p(x)$ itself. That is how inference becomes optimisation, "
                "$\\max_{\\phi}\\, \\mathcal{L}(\\phi)$.",
                "于是同一次爬升有两种读法。对 $\\phi$ 来说 $\\log p(x)$ 不动，所以提高 ELBO 就等于 $\\min_{\\phi}\\, "
                "\\KL(q_{\\phi}(z\\given x)\\|p(z\\given x))$。所有 $q$ 中最好的就是后验，此时 ELBO 就是 $\\log "
                "p(x)$。推断就这样变成了优化：$\\max_{\\phi}\\, \\mathcal{L}(\\phi)$。",
            ),
            Command(
                "unveil evaluate RUN --audit",
                Text(
                    "Of a model that you fitted, this checks the identity term by term:",
                    "对你拟合的模型，下面的命令逐项检验这个恒等式：",
                ),
            ),
        ],
        values,
    )


def fitted(z: Tensor, width: float, log_lik: Tensor) -> list[tuple[float, float]]:
    """(mean, standard deviation) of q after each step; the ELBO is a sum over a grid of z, so its gradient is exact."""
    mean = torch.tensor(-1.0, dtype=torch.float64, requires_grad=True)
    log_scale = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    found = []
    for _ in range(STEPS + 1):
        found.append((float(mean.detach()), float(log_scale.exp().detach())))
        q = Normal(mean, log_scale.exp())
        elbo = (q.log_prob(z).exp() * log_lik).sum() * width - kl_divergence(q, Normal(0.0, 1.0))
        steps = torch.autograd.grad(elbo, [mean, log_scale])
        with torch.no_grad():
            mean += LR * steps[0]
            log_scale += LR * steps[1]
    return found


def _least(z: Tensor, width: float, log_lik: Tensor, log_post: Tensor) -> float:
    """The gap of the best Gaussian of all, found by another way: a search without gradients."""

    def gap(at: np.ndarray) -> float:
        return _terms(z, width, log_lik, log_post, float(at[0]), float(np.exp(at[1])))["gap"]

    return float(minimize(gap, [1.0, -1.0], method="Nelder-Mead").fun)


def _terms(z: Tensor, width: float, log_lik: Tensor, log_post: Tensor, mean: float, scale: float) -> dict[str, float]:
    q = Normal(torch.tensor(mean, dtype=torch.float64), scale)
    log_q = q.log_prob(z)
    recon = float((log_q.exp() * log_lik).sum()) * width
    rate = float(kl_divergence(q, Normal(0.0, 1.0)))
    gap = float((log_q.exp() * (log_q - log_post)).sum()) * width
    return {"recon": recon, "rate": rate, "elbo": recon - rate, "gap": gap}


def _densities(z: np.ndarray, posterior: np.ndarray, mean: float, scale: float) -> Figure:
    kept = slice(1000, 3001, 10)
    z, posterior = z[kept], posterior[kept]
    q = np.exp(-0.5 * ((z - mean) / scale) ** 2) / scale / np.sqrt(2 * np.pi)
    return Figure(
        Axis(Text("z", "z"), -3.5, 3.5),
        Axis(Text("density", "密度"), 0, 2.1),
        [
            Line(z, np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi), 6, Text("prior p(z)", "先验 p(z)"), dashed=True),
            Line(z, posterior, 1, Text("posterior p(z|x)", "后验 p(z|x)"), filled=True),
            Line(z, q, 0, Text("q(z|x)", "q(z|x)"), width=2.6),
        ],
        210,
    )


def _bars(rows: list[dict[str, float]], at: int, log_px: float) -> Figure:
    """All terms over the steps, and where we are."""
    steps = np.arange(len(rows))
    low, high = -9.0, 7.0
    columns = {name: np.array([row[name] for row in rows]) for name in ("recon", "rate", "elbo", "gap")}
    now = [columns["recon"][at], -columns["rate"][at], columns["elbo"][at], columns["gap"][at]]
    return Figure(
        Axis(Text("step", "步"), -1, len(rows)),
        Axis(Text("nats", "纳特"), low, high),
        [
            Line(steps, np.full(len(rows), log_px), 7, Text("log p(x)", "log p(x)"), dashed=True),
            Line(steps, columns["elbo"], 0, Text("ELBO", "ELBO"), width=2.6),
            Line(steps, columns["gap"], 1, Text("KL(q‖p(z|x))", "KL(q‖p(z|x))")),
            Line(steps, columns["recon"], 4, Text("E log p(x|z)", "E log p(x|z)")),
            Line(steps, -columns["rate"], 3, Text("−KL(q‖p(z))", "−KL(q‖p(z))")),
            Dots([at] * 4, now, [4, 3, 0, 1], size=4.5),
            Bars([at], [high], 6, width=0.25, base=[low]),
        ],
        240,
    )
