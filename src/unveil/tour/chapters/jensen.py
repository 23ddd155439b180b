"""Jensen's inequality as a picture, and the ELBO by it."""

import numpy as np

from ..figures import Axis, Dots, Figure, Line, Note
from ..words import Chapter, Code, Formula, Plot, Text, holds, say
from ..world import P_X_GIVEN_Z, P_Z

SEEN = 2  # umbrellas
STATES = 21


def bound() -> None:
    import numpy as np

    from unveil.tour.world import P_X_GIVEN_Z, P_Z

    p_xz = P_Z * P_X_GIVEN_Z[:, 2]  # two umbrellas
    q = np.array([0.5, 0.3, 0.2])  # any distribution over z, here the prior
    w = p_xz / q
    print(f"log E_q[p(x, z)/q] = {np.log((q * w).sum()):.4f}")
    print(f"log p(x)           = {np.log(p_xz.sum()):.4f}")
    print(f"E_q[log p(x, z)/q] = {(q * np.log(w)).sum():.4f}, the ELBO")


def chapter(share: float) -> Chapter:
    p_xz = P_Z * P_X_GIVEN_Z[:, SEEN]
    posterior = p_xz / p_xz.sum()
    start = np.array([0.72, 0.2, 0.08])
    states = [(1 - t) * start + t * posterior for t in np.linspace(0, 1, STATES)]
    elbos = [float((q * np.log(p_xz / q)).sum()) for q in states]
    log_px = float(np.log(p_xz.sum()))
    holds(all(np.diff(elbos) > 0), "the ELBO rises as q comes nearer to the posterior")
    holds(abs(elbos[-1] - log_px) < 1e-12, "there is no gap where q is the posterior")
    values = {"log_px": log_px, "first": elbos[0], "gap": log_px - elbos[0]}
    return Chapter(
        "jensen",
        Text("Jensen: a chord lies below the logarithm", "Jensen 不等式：弦在对数曲线之下"),
        [
            say(
                "Multiply and divide by any distribution $q(z)$, or written out $q_{\\phi}(z\\given x)$, and the "
                "integral becomes an expectation: a mean weighed by $q$.",
                "乘上再除以任意一个分布 $q(z)$（完整写作 $q_{\\phi}(z\\given x)$），积分就变成期望，也就是以 $q$ 为权"
                "的平均。",
            ),
            Formula(r"\log p(x) = \log \int q_{\phi}(z\given x)\, \frac{p(x, z)}{q_{\phi}(z\given x)}\, dz"),
            Formula(r"\log p(x) = \log \E_{q_{\phi}(z\given x)}\left[\frac{p(x, z)}{q_{\phi}(z\given x)}\right]"),
            say(
                "This step uses that an expectation of a function of $z$ needs the density of $z$ alone:",
                "这一步用到：求 $z$ 的函数的期望，只需要 $z$ 自己的密度：",
            ),
            Formula(r"\E[g(X)] = \int_{-\infty}^{+\infty} g(x) f(x)\, dx"),
            say(
                "The logarithm bends downwards, so a mean of logarithms lies below the logarithm of the mean. That "
                "is Jensen's inequality, stated for a function that bends upwards as",
                "对数曲线向下弯，所以对数的平均低于平均的对数。这就是 Jensen 不等式；对向上弯（下凸）的函数，它写作",
            ),
            Formula(
                r"f\left(\sum_{i=1}^{n} \lambda_{i} x_{i}\right) \le \sum_{i=1}^{n} \lambda_{i} f(x_{i}), \quad "
                r"\sum_{i} \lambda_{i} = 1,\ \lambda_{i} > 0"
            ),
            say("For the logarithm it turns around, and gives the ELBO:", "对数的情形方向相反，由此得到 ELBO："),
            Formula(r"\log \E[X] \ge \E[\log X]"),
            Formula(
                r"\log p(x) \ge \E_{q_{\phi}(z\given x)}\left[\log \frac{p(x, z)}{q_{\phi}(z\given x)}\right] = "
                r"\ELBO(x)"
            ),
            Code(bound),
            Plot(
                Text(
                    "X = p(x, z)/q(z) takes three values, one for each weather; the size of a dot is q(z). The mean "
                    "of the three dots lies inside the dashed triangle, so below the curve. The gap is the vertical "
                    "stroke.",
                    "X = p(x, z)/q(z) 有三个值，每种天气一个；点的大小是 q(z)。三个点的平均落在虚线三角形内，也就在曲"
                    "线之下。竖线是两者的差距。",
                ),
                [_figure(p_xz, q) for q in states],
                Text("q moves to the posterior", "q 移向后验"),
                [
                    Text(
                        f"log E[X] = {log_px:.4f}, E[log X] = {elbo:.4f}, gap {max(log_px - elbo, 0):.4f} nats",
                        f"log E[X] = {log_px:.4f}，E[log X] = {elbo:.4f}，差距 {max(log_px - elbo, 0):.4f} 纳特",
                    )
                    for elbo in elbos
                ],
            ),
            say(
                "At the left end the gap is [[gap:.3f]] nats. Where $q$ is the posterior, the [chapter "
                "before](#chain) says that $X$ is the same number for every $z$: the three dots fall onto one, and a "
                "mean of equal numbers has no gap. Jensen shows that the ELBO is a bound. It does not say what the "
                "gap is; the next chapter does.",
                "最左端差距是 [[gap:.3f]] 纳特。当 $q$ 就是后验时，[上一章](#chain)说 $X$ 对每个 $z$ 都是同一个数：三"
                "个点重合，相等的数求平均没有差距。Jensen 说明 ELBO 是下界，却没说差距是什么；下一章来回答。",
            ),
        ],
        values,
    )


def _figure(p_xz: np.ndarray, q: np.ndarray) -> Figure:
    w = p_xz / q
    mean, elbo = float((q * w).sum()), float((q * np.log(w)).sum())
    curve = np.geomspace(0.02, 1.02, 120)
    around = [*range(3), 0]
    return Figure(
        Axis(Text("X = p(x, z)/q(z)", "X = p(x, z)/q(z)"), 0, 1.02),
        Axis(Text("log X", "log X"), -4, 0.4),
        [
            Line(curve, np.log(curve), 2, Text("log X", "log X")),
            Line(w[around], np.log(w)[around], 6, dashed=True, width=1.2),
            Line([mean, mean], [elbo, np.log(mean)], 1, Text("gap", "差距"), width=3),
            *(Dots([w[i]], [np.log(w[i])], 0, size=2 + 9 * float(np.sqrt(q[i]))) for i in range(3)),
            Dots([mean], [elbo], 1, size=4),
            Note(Text("log E[X]", "log E[X]"), mean + 0.02, float(np.log(mean)) + 0.32, anchor="end"),
            Note(Text("E[log X]", "E[log X]"), mean + 0.03, elbo - 0.32, 1),
        ],
        270,
    )
