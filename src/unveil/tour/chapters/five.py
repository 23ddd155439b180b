"""The five distributions as tables."""

import numpy as np
import torch

from ...batch import Batch
from ..figures import Axis, Bars, Figure
from ..words import Chapter, Code, Formula, Plot, Text, holds, say
from ..world import P_X_GIVEN_Z, P_Z, weather

WEATHER = [(0.0, Text("sunny", "晴")), (1.0, Text("cloudy", "阴")), (2.0, Text("rainy", "雨"))]


def tables() -> None:
    import numpy as np

    p_z = np.array([0.5, 0.3, 0.2])  # sunny, cloudy, rainy
    p_x_given_z = np.array(
        [[0.80, 0.15, 0.04, 0.01], [0.40, 0.35, 0.20, 0.05], [0.05, 0.15, 0.35, 0.45]]
    )  # one row for each z, one column for each x = 0, 1, 2, 3 umbrellas
    p_xz = p_z[:, None] * p_x_given_z
    p_x = p_xz.sum(0)
    p_z_given_x = p_xz / p_x
    print("p(x, z)", p_xz.round(3), "p(x)", p_x.round(3), sep="\n")
    print("p(z|x)", p_z_given_x.round(3), sep="\n")


def model() -> None:
    import torch

    from unveil.batch import Batch
    from unveil.tour.world import weather

    batch = Batch(torch.arange(4.0).reshape(4, 1))  # x = 0, 1, 2, 3
    print("p(x)  ", weather().log_prob(batch).exp().detach().numpy().round(3))
    posterior = weather().posterior(batch).log_r.exp()
    print("p(z|x)", posterior.T.detach().numpy().round(3), sep="\n")


def chapter(share: float) -> Chapter:
    p_xz = P_Z[:, None] * P_X_GIVEN_Z
    p_x = p_xz.sum(0)
    posterior = p_xz / p_x
    theirs = weather().log_prob(Batch(torch.arange(4.0).reshape(4, 1))).exp().detach().numpy()
    holds(bool(np.allclose(theirs, p_x)), "the library's mixture gives the same p(x) as the tables")
    values = {
        "rain": P_Z[2], "two": P_X_GIVEN_Z[2, 2], "joint": p_xz[2, 2], "px": p_x[2], "post": posterior[2, 2],
        "largest": float(np.abs(theirs - p_x).max()),
    }  # fmt: skip
    return Chapter(
        "five",
        Text("Five distributions, as tables", "五个分布，写成表格"),
        [
            say(
                "A latent variable $z$ cannot be seen; an observed variable $x$ can. Take the smallest world that "
                "has both. The weather $z$ is sunny, cloudy or rainy, and we sit in a room without a window. What we "
                "see is $x$, how many of three colleagues bring an umbrella.",
                "隐变量 $z$ 看不见，观测变量 $x$ 看得见。先看一个同时含有两者的最小世界：天气 $z$ 是晴、阴或雨，而我"
                "们坐在没有窗的房间里，只能看见 $x$，也就是三位同事中有几位带了伞。",
            ),
            say(
                "Two tables say how this world makes what we see: the **prior** $p(z)$, how often each weather "
                "comes, and the **likelihood** $p(x\\given z)$, how many umbrellas each weather brings. The other "
                "three follow.",
                "两张表说明这个世界怎样产生观测：**先验** $p(z)$，每种天气出现的频率；**似然** $p(x\\given z)$，每种"
                "天气下带伞的人数。另外三个分布都由它们推出。",
            ),
            Formula(r"p(x, z) = p(z)\, p(x\given z)"),
            Formula(r"p(x) = \sum_{z} p(x, z)"),
            Formula(r"p(z\given x) = \frac{p(x\given z)\, p(z)}{p(x)}"),
            Code(tables),
            say(
                "Read one cell. It rains with probability [[rain]], and then two umbrellas come with probability "
                "[[two]]; so both happen with probability [[joint:.3f]]. Two umbrellas come with [[px:.3f]] in all. "
                "So if we see two, it rains with probability [[post:.3f]]. Seeing $x$ moved the belief from the "
                "prior [[rain]] to the **posterior** [[post:.3f]].",
                "读其中一格。下雨的概率是 [[rain]]，下雨时来两把伞的概率是 [[two]]，所以两者同时发生的概率是 "
                "[[joint:.3f]]。两把伞总共以 [[px:.3f]] 的概率出现。因此看见两把伞时，下雨的概率是 [[post:.3f]]。看"
                "见 $x$ 把信念从先验 [[rain]] 移到了**后验** [[post:.3f]]。",
            ),
            Plot(
                Text(
                    "Prior and posterior of the weather. Move the slider to change how many umbrellas are seen.",
                    "天气的先验与后验。移动滑块，改变看见的伞数。",
                ),
                [_figure(posterior[:, x]) for x in range(4)],
                Text("umbrellas seen, x", "看见的伞数 x"),
                [
                    Text(
                        f"x = {x}: p(x) = {p_x[x]:.3f}, and p(z|x) = " + ", ".join(f"{v:.3f}" for v in posterior[:, x]),
                        f"x = {x}：p(x) = {p_x[x]:.3f}，p(z|x) = " + "，".join(f"{v:.3f}" for v in posterior[:, x]),
                    )
                    for x in range(4)
                ],
                start=2,
            ),
            say(
                "This world is a mixture, and `unveil` has it as a model. Given the same two tables it answers the "
                "same; the largest difference is [[largest:.0e]].",
                "这个世界就是一个混合模型，`unveil` 里有这种模型。给它同样的两张表，答案也一样；最大的差别是 "
                "[[largest:.0e]]。",
            ),
            Code(model),
            say(
                "In a VAE the names stay, and only the tables become networks: $p(z)$ is a normal distribution, the "
                "**decoder** gives $p(x\\given z)$. What remains hard is $p(x)$, and with it $p(z\\given x)$.",
                "在 VAE 里名字不变，只是表格换成了网络：$p(z)$ 是正态分布，**解码器**给出 $p(x\\given z)$。难的是 "
                "$p(x)$，以及随之而来的 $p(z\\given x)$。",
            ),
            say(
                "By habit $p$ stands for what is true, and $q$ for what we put in its place, such as "
                "$q_{\\phi}(z\\given x)$. It helps to ask of each: is it given, or do we make it? Given are the "
                "examples and the world that they come from, whose distributions nobody knows. So we guess and "
                "estimate: we choose $p(z)$ and the forms of $p_{\\theta}(x\\given z)$ and $q_{\\phi}(z\\given x)$, "
                "and training estimates θ and φ.",
                "习惯上，$p$ 表示真实的分布，$q$ 表示我们用来近似它的分布，例如 $q_{\\phi}(z\\given x)$。对每个分布都"
                "可以问一句：它是客观存在的，还是我们构造的？客观存在的是样本和产生样本的真实世界，而世界的那些分布没"
                "人知道。所以我们只能猜想加估计：$p(z)$ 是选定的，$p_{\\theta}(x\\given z)$ 和 $q_{\\phi}(z\\given x)$ "
                "的形式也是选定的，θ 和 φ 则由训练来估计。",
            ),
            say(
                "So in the code, and on this page, $p$ is the **model**: “true” means true of the model, as in “the "
                "true posterior”, which follows from $p(z)$ and $p_{\\theta}(x\\given z)$. The data's own distribution "
                "is another one. In a small world like that of the weather both are the same, since we wrote its "
                "tables ourselves. [The slips](#slips) come back to this.",
                "所以在代码里、在本页上，$p$ 指的是**模型**：“真”是就模型而言的，例如“真后验”，它由 $p(z)$ 和 "
                "$p_{\\theta}(x\\given z)$ 推出。数据自己的分布是另一回事。像天气这样的小世界里两者是同一个，因为表格是"
                "我们自己写的。[笔误一章](#slips)还会谈到这一点。",
            ),
        ],
        values,
    )


def _figure(posterior: np.ndarray) -> Figure:
    places = np.arange(3.0)
    return Figure(
        Axis(Text("weather z", "天气 z"), -0.6, 2.6, marks=WEATHER),
        Axis(Text("probability", "概率"), 0, 1),
        [
            Bars(places - 0.18, P_Z, 6, Text("prior p(z)", "先验 p(z)"), 0.32),
            Bars(places + 0.18, posterior, 0, Text("posterior p(z|x)", "后验 p(z|x)"), 0.32),
        ],
        210,
    )
