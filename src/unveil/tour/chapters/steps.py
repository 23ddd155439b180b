"""One large step against many small ones; linear steps that fold into one."""

from itertools import pairwise

import numpy as np
import torch

from ...data import load_data
from ...models.vdm.vdm import VDM
from ...ops import keyed
from ...registry import lookup
from ..figures import Axis, Dots, Figure, Line
from ..fits import steps_of, trained, whole
from ..words import Chapter, Code, Command, Formula, Plot, Text, holds, say

Z = np.linspace(-8, 8, 801)
WIDTH = Z[1] - Z[0]
SHOWN = np.abs(Z) <= 3
WEIGHTS, MEANS, SCALES = np.array([0.6, 0.4]), np.array([-1.1, 1.2]), np.array([0.3, 0.35])  # the hills of the data
STEPS = (1, 2, 4, 8, 16, 32, 64)
LAYERS = (4, 16, 64)
LAST = 0.02  # share of x that is left in the last, noisiest z


def noise_folds() -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    alphas = rng.uniform(0.97, 1.0, size=50)  # 50 small steps: x ← α x + sqrt(1 − α²) ε
    a, variance = 1.0, 0.0
    for alpha in alphas:
        a, variance = alpha * a, alpha**2 * variance + (1 - alpha**2)
    print(f"50 steps: a = {a:.6f}, variance = {variance:.6f}")
    print(f"1 step  : a = {alphas.prod():.6f}, variance = {1 - alphas.prod() ** 2:.6f}")


def layers_fold() -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    layers = [rng.normal(size=(4, 4)) / 2 for _ in range(10)]  # x = W₁₀ … W₁ z
    folded = np.linalg.multi_dot(layers[::-1])
    z = rng.normal(size=4)
    x = z
    for W in layers:
        x = W @ x
    print("ten layers:", x.round(6))
    print("one layer :", (folded @ z).round(6))


def chapter(share: float) -> Chapter:
    p0 = _data()
    results = {T: _walk_back(T) for T in STEPS}
    kls = np.array([float((p0 * np.log(p0 / q)).sum() * WIDTH) for q in results.values()])
    holds(bool(np.all(np.diff(kls) < 0)), "more steps come nearer to the data")
    holds(kls[0] > 20 * kls[-1], "one step is far off")
    off = {T: _not_normal(T) for T in (1, STEPS[-1])}
    holds(off[STEPS[-1]].max() < off[1].max() / 20, "every small step back is nearly normal")
    holds(off[STEPS[-1]].sum() > kls[-1], "the steps together miss by at least as much as where they end")
    alphas = np.random.default_rng(0).uniform(0.97, 1.0, size=50)
    variance = 0.0
    for alpha in alphas:
        variance = alpha**2 * variance + 1 - alpha**2
    fold = abs(variance - (1 - alphas.prod() ** 2))
    holds(fold < 1e-12, "noise steps fold into one")
    bounds = _layers(share)
    holds(bounds[-1] > bounds[0], "a diffusion of more layers has the better bound here")
    values = {"one": kls[0], "four": kls[2], "many": kls[-1], "T": STEPS[-1], "fold": fold}
    values |= {"off": off[1].max(), "worst": off[STEPS[-1]].max(), "sum": off[STEPS[-1]].sum()}
    values |= {f"b{T}": bound for T, bound in zip(LAYERS, bounds, strict=True)}
    frames = [(_hills(p0, results[T]), _curve(kls, i)) for i, T in enumerate(STEPS)]
    told = [
        Text(f"T = {T}: KL(data‖model) = {kl:.4f} nats", f"T = {T}：KL(数据‖模型) = {kl:.4f} 纳特")
        for T, kl in zip(STEPS, kls, strict=True)
    ]
    return Chapter(
        "steps",
        Text("One large step, or many small ones", "一大步，还是许多小步"),
        [
            say(
                "$z$ need not be small: it may be noise of the same size as $x$, reached in many steps. Adding noise "
                "is linear, and linear steps fold: any number of them is exactly one step (the difference here is "
                "[[fold:.0e]]).",
                "$z$ 不一定比 $x$ 小：它可以是与 $x$ 同样大小、经过许多步得到的噪声。加噪是线性的，线性的步可以折叠："
                "任意多步恰好等于一步（这里的差是 [[fold:.0e]]）。",
            ),
            Formula(
                r"x_{t} = \alpha_{t} x_{t-1} + \sqrt{1 - \alpha_{t}^{2}}\, \epsilon_{t}",
                r"\Rightarrow \quad x_{T} = \bar{\alpha}\, x_{0} + \sqrt{1 - \bar{\alpha}^{2}}\, \epsilon, \quad "
                r"\bar{\alpha} = \alpha_{1} \alpha_{2} \cdots \alpha_{T}",
            ),
            Code(noise_folds),
            say(
                "Linear layers of a network fold as well. Ten of them are one matrix, so depth without bends adds "
                "nothing.",
                "网络的线性层同样可以折叠：十层就是一个矩阵。没有弯折的深度什么也不增加。",
            ),
            Formula(r"W_{T} \cdots W_{2} W_{1} z = W z, \quad W = W_{T} \cdots W_{1}"),
            Code(layers_fold),
            say(
                "The way back does not fold. The true $p(x_{t-1}\\given x_{t})$ of two hills is not normal; it has "
                "two hills itself if the step is large. A decoder says a normal distribution at each step. With one "
                "step the two hills melt into one; with small steps every true step is nearly normal, and the walk "
                "ends on both.",
                "回来的路却不能折叠。数据有两座峰时，步子一大，真正的 $p(x_{t-1}\\given x_{t})$ 就不是正态，自己也有"
                "两座峰。而解码器每一步只给出正态分布。只走一步，两座峰就化成一座；步子小，每一步都几乎是正态，最后两"
                "座峰都走得到。",
            ),
            Plot(
                Text(
                    "Each step back has the exact mean and variance of $p(x_{t-1}\\given x_{t})$ and is normal. "
                    "Above: what T such steps make of pure noise. Below: how far that is from the data. Computed on "
                    "a grid, without a network.",
                    "每一步倒退都用 $p(x_{t-1}\\given x_{t})$ 精确的均值与方差，并取正态分布。上：从纯噪声出发走 T 步"
                    "的结果。下：它与数据的距离。全部在网格上计算，不用网络。",
                ),
                frames,
                Text("number of steps T", "步数 T"),
                told,
            ),
            say(
                "One step misses by [[one:.3f]] nats, four by [[four:.3f]], [[T]] by [[many:.4f]]. So “one large "
                "step could fold many small ones” is true of adding noise, and false of taking it away, as long as "
                "each step is normal.",
                "一步差 [[one:.3f]] 纳特，四步差 [[four:.3f]]，[[T]] 步差 [[many:.4f]]。所以“一大步可以折叠多小步”对"
                "加噪成立；对去噪，只要每步都是正态分布，就不成立。",
            ),
            say(
                "Note 004 goes on: many small steps are more stable, because each changes the shape of the path. That "
                "can be said more exactly. On the way out the shape of the path does not matter, only its end. On the "
                "way back it does, as each step is a normal distribution. The one large step is [[off:.3f]] nats from "
                "being normal (the KL from the true step to the normal of the same mean and variance, averaged over "
                "$x_{t}$). Of [[T]] small ones the worst is [[worst:.3f]] nats from it, and all together are "
                "[[sum:.3f]]. No small step has to choose a hill at once: each leans a little to one side and adds a "
                "little new noise. The price is that the decoder runs [[T]] times.",
                "笔记 004 接着说：多小步更稳定，因为每步加噪声会改变路径形状。这一点可以说得更确切。去程中，路径的形状"
                "无关紧要，只看终点。回程就要紧了，因为每一步都用正态分布。一大步走完，真正的那一步与正态分布相差 "
                "[[off:.3f]] 纳特（即真正的一步到同均值、同方差的正态分布的 KL，对 $x_{t}$ 取平均）。分成 [[T]] 小步，"
                "最差的一步只差 [[worst:.3f]] 纳特，全部加起来也只有 [[sum:.3f]]。没有哪一小步需要立刻选定一座峰：每"
                "步只偏一点，再加一点新的噪声。代价是解码器要运行 [[T]] 次。",
            ),
            say(
                "A real diffusion model, fitted for a few seconds to points on two half circles: cut into 4 layers "
                "its bound on log p(x) is [[b4:.1f]] nats, into 16 [[b16:.2f]], into 64 [[b64:.2f]].",
                "一个真正的扩散模型，在两个半圆的点上拟合几秒钟：切成 4 层时 log p(x) 的下界是 [[b4:.1f]] 纳特，16 "
                "层 [[b16:.2f]]，64 层 [[b64:.2f]]。",
            ),
            Command(
                "unveil evaluate RUN --estimator layers estimator.num_steps=64",
                Text("For a run of `--model vdm`:", "对 `--model vdm` 的运行："),
            ),
        ],
        values,
    )


def _data() -> np.ndarray:
    """The density of the data on the grid."""
    return np.asarray(np.exp(_log_hills(Z, 1.0)).sum(-1))


def _log_hills(z: np.ndarray, bar: float) -> np.ndarray:
    """log of weight times density of each hill, where a share `bar` of x is left in z, [..., 2]."""
    variance = bar**2 * SCALES**2 + 1 - bar**2
    return np.asarray(
        np.log(WEIGHTS) - 0.5 * np.log(2 * np.pi * variance) - 0.5 * (z[..., None] - bar * MEANS) ** 2 / variance
    )


def _walk_back(T: int) -> np.ndarray:
    """The density that T normal steps back make of N(0, 1); each matches the mean and variance of the true step."""
    bars = LAST ** (np.arange(T + 1) / T)  # share of x left after step t
    q = np.exp(-0.5 * Z**2) / np.sqrt(2 * np.pi)
    for t in range(T, 0, -1):
        mean, scale = _true_step(bars[t - 1], bars[t])
        back = np.exp(-0.5 * ((Z - mean[:, None]) / scale[:, None]) ** 2) / (scale[:, None] * np.sqrt(2 * np.pi))
        q = q @ back * WIDTH
    return np.asarray(q) + 1e-300


def _true_step(before: float, after: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the true p(z_{t−1}|z_t) at each z_t of the grid, in closed form."""
    share, means, variances = _parts(before, after)
    mean = (share * means).sum(1)
    return mean, np.sqrt((share * (variances + means**2)).sum(1) - mean**2)


def _parts(before: float, after: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two normals of which the true p(z_{t−1}|z_t) is the mixture: shares and means, [z_t, 2]; variances, [2].

    Arguments: before and after, the shares of x left in z_{t−1} and in z_t.
    """
    alpha = after / before
    log_share = _log_hills(Z, after)
    share = np.exp(log_share - log_share.max(1, keepdims=True))
    share /= share.sum(1, keepdims=True)  # which hill z_t is from
    spread = before**2 * SCALES**2 + 1 - before**2  # of z_{t−1} within a hill
    gain = alpha * spread / (alpha**2 * spread + 1 - alpha**2)
    means = before * MEANS + gain * (Z[:, None] - after * MEANS)
    return share, means, spread * (1 - alpha * gain)


def _not_normal(T: int) -> np.ndarray:
    """By how many nats each of T true steps back differs from the normal of its mean and variance, averaged over z_t.

    KL(p‖N) = log(σ √(2πe)) + ∫ p log p, where N has the mean and the variance σ² of p.
    """
    bars, found = LAST ** (np.arange(T + 1) / T), []
    for before, after in pairwise(bars):
        share, means, variances = _parts(before, after)
        p = np.exp(-0.5 * (Z[:, None, None] - means) ** 2 / variances) / np.sqrt(2 * np.pi * variances)
        p = (share * p).sum(-1) + 1e-300  # [z_{t−1}, z_t]
        kl = np.log(_true_step(before, after)[1] * np.sqrt(2 * np.pi * np.e)) + (p * np.log(p)).sum(0) * WIDTH
        found.append(float((np.exp(_log_hills(Z, after)).sum(-1) * kl).sum() * WIDTH))
    return np.array(found)


def _layers(share: float) -> list[float]:
    """Bounds on log p(x) of a small diffusion, cut into so many layers."""
    data = load_data("moons")
    with keyed("tour vdm"):
        model = VDM.build(data.domain, width=64, depth=2)
        model.initialise(whole(data.train))
        trained(model, data, steps_of(600, share), lr=3e-3)
        some = data.test.batch(torch.arange(200))
        with torch.no_grad():
            return [
                float(lookup("estimator", "layers")(num_steps=T, num_samples=2)(model, some).log_px.mean())
                for T in LAYERS
            ]


def _hills(p0: np.ndarray, q: np.ndarray) -> Figure:
    return Figure(
        Axis(Text("x", "x"), -3, 3),
        Axis(Text("density", "密度"), 0, 0.95),
        [
            Line(Z[SHOWN], p0[SHOWN], 1, Text("data", "数据"), filled=True),
            Line(Z[SHOWN], q[SHOWN], 0, Text("T normal steps back", "倒退 T 个正态步"), width=2.6),
        ],
        200,
    )


def _curve(kls: np.ndarray, at: int) -> Figure:
    return Figure(
        Axis(Text("number of steps T", "步数 T"), 1, 64, log=True, marks=[(float(T), str(T)) for T in STEPS]),
        Axis(Text("KL(data‖model)", "KL(数据‖模型)"), 10 ** float(np.floor(np.log10(kls.min()))), 1, log=True),
        [Line(STEPS, kls, 0), Dots(STEPS, kls, 0, size=3), Dots([STEPS[at]], [kls[at]], 1, size=6)],
        180,
    )
