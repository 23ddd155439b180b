"""p(x) = p(x, z)/p(z|x), whatever z is."""

import numpy as np

from ..figures import Axis, Figure, Line, room
from ..words import Chapter, Code, Formula, Plot, Text, holds, say
from ..world import log_normal

X, SIGMA = 1.2, 0.5


def constant() -> None:
    import numpy as np

    from unveil.tour.world import P_X_GIVEN_Z, P_Z

    p_xz = P_Z * P_X_GIVEN_Z[:, 2]  # two umbrellas
    p_z_given_x = p_xz / p_xz.sum()
    print("p(x, z)         ", p_xz.round(4))
    print("p(z|x)          ", p_z_given_x.round(4))
    print("p(x, z) / p(z|x)", np.round(p_xz / p_z_given_x, 4))


def chapter(share: float) -> Chapter:
    z = np.linspace(-1.5, 3.5, 101)
    log_joint = log_normal(z, 0, 1) + log_normal(np.array(X), z, SIGMA)
    mean, scale = X / (1 + SIGMA**2), SIGMA / np.sqrt(1 + SIGMA**2)
    log_posterior = log_normal(z, mean, scale)
    log_px = float(log_normal(np.array(X), 0, np.sqrt(1 + SIGMA**2)))
    spread = float(np.ptp(log_joint - log_posterior))
    holds(spread < 1e-9, "p(x, z)/p(z|x) is constant in z")
    wrong = log_joint - log_normal(z, mean + 0.3, 1.3 * scale)
    figure = Figure(
        Axis(Text("z", "z"), -1.5, 3.5),
        Axis(Text("logarithm", "对数"), *room(np.clip(log_joint, -14, None), log_posterior.clip(-14), [1.5])),
        [
            Line(z, log_joint, 2, Text("log p(x, z)", "log p(x, z)")),
            Line(z, log_posterior, 1, Text("log p(z|x)", "log p(z|x)")),
            Line(z, log_joint - log_posterior, 0, Text("their difference, log p(x)", "两者之差，log p(x)"), width=3),
            Line(z, wrong, 6, Text("with a wrong q in place of p(z|x)", "用错误的 q 代替 p(z|x)"), dashed=True),
        ],
        270,
    )
    values = {"x": X, "log_px": log_px, "spread": spread, "low": float(wrong.min()), "high": float(wrong.max())}
    return Chapter(
        "chain",
        Text("p(x) without any sum", "不用求和的 p(x)"),
        [
            say(
                "The chain rule gives $p(x)$ by one division. The left side has no $z$, so the right side is the "
                "same number for every $z$.",
                "链式法则用一次除法就给出 $p(x)$。左边没有 $z$，所以右边对每个 $z$ 都是同一个数。",
            ),
            Formula(r"p(x) = \frac{p(x, z)}{p(z\given x)}"),
            Code(constant),
            say(
                "Here is the same with a continuous $z$, for $x$ = [[x]]. Both curves bend; their difference is "
                "flat: it stays at $\\log p(x)$ = [[log_px:.4f]] and varies by [[spread:.0e]].",
                "连续的 $z$ 也一样，这里 $x$ = [[x]]。两条曲线都是弯的，差却是平的：始终是 $\\log p(x)$ = "
                "[[log_px:.4f]]，起伏只有 [[spread:.0e]]。",
            ),
            Plot(
                Text(
                    "The difference is flat only with the true posterior. With another q it depends on z (dashed).",
                    "只有用真后验，差才是平的。换成别的 q，差就随 z 变化（虚线）。",
                ),
                [figure],
            ),
            say(
                "So the posterior would be enough. We do not have it, since its formula holds $p(x)$ itself. But the "
                "dashed line shows what happens with a $q(z\\given x)$ that we do have: $\\log p(x, z)/q(z\\given "
                "x)$ varies with $z$, here between [[low:.2f]] and [[high:.2f]] in the picture. Its mean under $q$ "
                "is the **evidence lower bound**, the ELBO, and its variation is a sign of how far $q$ is from the "
                "posterior.",
                "所以有后验就够了。可是我们没有它，因为它的公式里就有 $p(x)$。虚线说明换成一个我们拥有的 $q(z\\given "
                "x)$ 会怎样：$\\log p(x, z)/q(z\\given x)$ 随 $z$ 变化，在图中介于 [[low:.2f]] 和 [[high:.2f]] 之间。"
                "它在 $q$ 下的平均就是**证据下界** ELBO，起伏的大小说明 $q$ 离后验有多远。",
            ),
        ],
        values,
    )
