"""Encoder and decoder in turn: each step climbs."""

import numpy as np

from ..figures import Axis, Dots, Figure, Line, Tiles
from ..words import Chapter, Code, Command, Formula, Plot, Text, holds, say

SIGMA, W, TURNS = 1.0, 2.0, 16
State = tuple[float, float, float]  # a, s², w


def turns() -> None:
    import numpy as np

    x = 5**0.5 * np.random.default_rng(0).normal(size=500)  # data
    a, s2, w = -0.1, 1.0, 0.4  # Enc: q(z|x) = N(a x, s2). Dec: p(x|z) = N(w z, 1)
    for turn in range(1, 9):
        a, s2 = w / (w**2 + 1), 1 / (w**2 + 1)  # the best Enc for this Dec
        w = a * (x**2).mean() / (a**2 * (x**2).mean() + s2)  # the best Dec for this Enc
        errors = (x - a * w * x) ** 2 + w**2 * s2
        rate = (a**2 * x**2 + s2 - 1 - np.log(s2)) / 2
        elbo = -0.5 * np.log(2 * np.pi) - errors.mean() / 2 - rate.mean()
        print(f"turn {turn}: w = {w:.3f}, mean ELBO = {elbo:.4f}")


def chapter(share: float) -> Chapter:
    x = np.random.default_rng(0).normal(size=500) * np.sqrt(W**2 + SIGMA**2)
    v = float((x**2).mean())
    states = _path(v)
    elbos, logs = [_elbo(s, v) for s in states], [_log_px(s[2], v) for s in states]
    holds(bool(np.all(np.diff(elbos) > -1e-12)), "no turn lowers the ELBO")
    holds(bool(np.all(np.diff(logs) > -1e-12)), "no turn lowers log p(x) here")
    holds(abs(elbos[1] - logs[1]) < 1e-9, "after the turn of Enc the bound touches log p(x)")
    best = float(np.sqrt(v - SIGMA**2))
    holds(abs(states[-1][2] - best) < 0.1, "the turns end at the w that explains the data best")
    values = {"first": elbos[0], "last": elbos[-1], "w": states[-1][2], "best": best, "turns": TURNS}
    told = [
        Text(
            f"{who[0]}: a = {a:.3f}, w = {w:.3f}; mean ELBO {elbo:.3f}, mean log p(x) {log:.3f}",
            f"{who[1]}：a = {a:.3f}，w = {w:.3f}；平均 ELBO {elbo:.3f}，平均 log p(x) {log:.3f}",
        )
        for i, ((a, _, w), elbo, log) in enumerate(zip(states, elbos, logs, strict=True))
        for who in [
            ("start", "起点") if i == 0 else (("Enc moved", "Enc 刚动过") if i % 2 else ("Dec moved", "Dec 刚动过"))
        ]
    ]
    return Chapter(
        "encdec",
        Text("Enc and Dec take turns, and both climb", "Enc 与 Dec 轮流走，都在往上爬"),
        [
            say(
                "Two networks: Enc guesses $q(z)$ for a given $x$, Dec gives $p(x\\given z)$. Suppose Enc had "
                "reached its goal: then raising the ELBO makes Dec better. Suppose Dec had: then raising the ELBO "
                "makes Enc better. Neither has, and it works all the same, since both climb one hill.",
                "两个网络：Enc 对给定的 $x$ 猜 $q(z)$，Dec 给出 $p(x\\given z)$。假设 Enc 已达到目标，提高 ELBO 就让 "
                "Dec 更好；假设 Dec 已达到目标，提高 ELBO 就让 Enc 更好。两者其实都没有达到，但照样可行，因为它们爬的"
                "是同一座山。",
            ),
            Formula(
                r"\phi \leftarrow \argmax_{\phi}\, \ELBO(\phi, \theta), \qquad \theta \leftarrow \argmax_{\theta} "
                r"\ELBO(\phi, \theta)"
            ),
            say(
                "A model so small that each turn has a closed form: $z \\sim \\N(0, 1)$, Dec is $\\N(x; wz, 1)$, Enc "
                "is $\\N(z; ax, s^{2})$.",
                "取一个小到每一步都有闭式解的模型：$z \\sim \\N(0, 1)$，Dec 是 $\\N(x; wz, 1)$，Enc 是 $\\N(z; ax, "
                "s^{2})$。",
            ),
            Code(turns),
            Plot(
                Text(
                    "Above: the mean ELBO over a (Enc) and w (Dec); the darker, the higher. Enc moves level, Dec "
                    "upright. Below: after each turn of Enc the ELBO touches log p(x); then Dec lifts both.",
                    "上图：平均 ELBO 随 a（Enc）和 w（Dec）的变化，越深越高。Enc 横着走，Dec 竖着走。下图：Enc 每走一"
                    "步，ELBO 就贴上 log p(x)；然后 Dec 把两者一起抬高。",
                ),
                [(_map(states, v, i), _climb(elbos, logs, i)) for i in range(len(states))],
                Text("turns", "步数"),
                told,
            ),
            say(
                "From [[first:.2f]] the mean ELBO climbs to [[last:.4f]] in [[turns]] turns, and $w$ to [[w:.3f]]; "
                "the maximum-likelihood value is [[best:.3f]]. With exact turns this is the EM algorithm, by which "
                "`unveil` fits its mixtures. A VAE takes a small gradient step in both at once instead of whole "
                "turns.",
                "平均 ELBO 从 [[first:.2f]] 经 [[turns]] 步爬到 [[last:.4f]]，$w$ 到达 [[w:.3f]]；最大似然值是 "
                "[[best:.3f]]。每步都精确求解时，这就是 EM 算法，`unveil` 的混合模型正是这样拟合的。VAE 不走整步，而"
                "是两边同时走一小步梯度。",
            ),
            Command("unveil fit digits --model mixture", Text("EM on real data:", "在真实数据上运行 EM：")),
        ],
        values,
    )


def _path(v: float) -> list[State]:
    a, s2, w = -0.1, 1.0, 0.4
    found = [(a, s2, w)]
    for turn in range(TURNS):
        if turn % 2 == 0:
            a, s2 = w / (w**2 + SIGMA**2), SIGMA**2 / (w**2 + SIGMA**2)
        else:
            w = a * v / (a**2 * v + s2)
        found.append((a, s2, w))
    return found


def _elbo(state: State, v: float) -> float:
    """The mean ELBO where the mean of x² is v."""
    a, s2, w = state
    errors = (1 - a * w) ** 2 * v + w**2 * s2
    rate = (a**2 * v + s2 - 1 - np.log(s2)) / 2
    return float(-0.5 * np.log(2 * np.pi * SIGMA**2) - errors / (2 * SIGMA**2) - rate)


def _log_px(w: float, v: float) -> float:
    variance = w**2 + SIGMA**2
    return float(-0.5 * np.log(2 * np.pi * variance) - v / (2 * variance))


def _map(states: list[State], v: float, at: int) -> Figure:
    a, w = np.linspace(-0.3, 0.9, 33), np.linspace(0.1, 3.0, 30)
    heights = np.array([[_elbo((x, SIGMA**2 / (y**2 + SIGMA**2), y), v) for x in a] for y in w])
    shades = np.exp((heights - heights.max()) / 1.2)
    done = states[: at + 1]
    return Figure(
        Axis(Text("a, of Enc", "Enc 的 a"), -0.3, 0.9),
        Axis(Text("w, of Dec", "Dec 的 w"), 0.1, 3.0),
        [
            Tiles(a, w, np.where(shades > 0.02, np.round(shades, 2), 0)),
            Line([s[0] for s in done], [s[2] for s in done], 1, width=2),
            Dots([s[0] for s in done], [s[2] for s in done], 1, size=3.5),
        ],
        240,
    )


def _climb(elbos: list[float], logs: list[float], at: int) -> Figure:
    turns = np.arange(len(elbos))
    return Figure(
        Axis(Text("turn", "步"), -0.4, TURNS + 0.4),
        Axis(Text("nats, mean", "纳特（平均）"), -4, -2),
        [
            Line(turns, logs, 7, Text("log p(x)", "log p(x)"), dashed=True),
            Line(turns, elbos, 0, Text("ELBO", "ELBO")),
            Dots([at], [elbos[at]], 0, size=5),
        ],
        170,
    )
