"""The compromise: rate against distortion, from islands at one end to collapse at the other."""

import numpy as np
import torch

from ...diagnostics.aggregate import aggregate
from ...objectives.elbo import BetaElbo
from ...ops import keyed
from ..figures import Axis, Dots, Figure, Line, Note, room
from ..fits import OF_DIGITS, digits, judged, labels_of, pictures, rate_and_distortion, short_fit, steps_of, whole
from ..words import Chapter, Code, Command, Formula, Pictures, Plot, Text, holds, say

BETAS = (0.005, 0.03, 0.3, 1.0, 3.0, 10.0, 40.0)
Found = tuple[float, float, float, np.ndarray]  # rate, distortion, AUC, codes
Row = tuple[Text, list[str], list[str]]
SHOWN = 300  # codes in the picture


def terms() -> None:
    from unveil.tour.fits import digits, judged, rate_and_distortion, short_fit

    model = short_fit(digits(), steps=200, latent=2)
    rate, distortion = rate_and_distortion(judged(model, digits().test))
    print(f"−ELBO = rate + distortion = {rate:.2f} + {distortion:.2f} = {rate + distortion:.2f}")


def chapter(share: float) -> Chapter:
    data, steps = digits(), steps_of(350, share)
    split, found, rows = data.train.spread(SHOWN), list[Found](), list[Row]()
    for beta in BETAS:
        model = short_fit(data, steps, objective=BetaElbo(beta=beta), latent=2)
        rate, distortion = rate_and_distortion(judged(model, data.test))
        with keyed("tour codes"), torch.no_grad():
            codes = model.infer(whole(split), 1).z[0][0].numpy()
            drawn = model.decode((torch.randn(10, 2),)).mean
        found.append((rate, distortion, aggregate(model, data.test).auc, codes))
        if beta in (BETAS[0], 1.0, BETAS[-1]):
            rows.append((Text(f"β = {beta:g}", f"β = {beta:g}"), pictures(drawn, model), []))
    rates, distortions = (np.array([row[i] for row in found]) for i in (0, 1))
    elbos = -rates - distortions
    best = int(elbos.argmax())
    holds(bool(np.all(np.diff(rates) < 0.2)), "the rate falls as β grows")
    holds(int(distortions.argmin()) == 0, "the smallest β has the lowest distortion")
    holds(rates[-1] < 0.1, "the largest β ends in collapse")
    holds(
        found[0][2] > found[BETAS.index(1.0)][2] and found[0][2] > 0.75,
        "codes of the smallest β lie apart from the prior",
    )
    holds(elbos[best] > elbos[0] and elbos[best] > elbos[-1], "the ELBO is best between the ends")
    one = BETAS.index(1.0)
    values = {
        "steps": steps,
        "best": BETAS[best],
        "elbo": float(elbos[best]),
        "elbo0": float(elbos[0]),
        "elbo9": float(elbos[-1]),
        "rate0": float(rates[0]),
        "rate9": float(rates[-1]),
        "auc0": found[0][2],
        "auc1": found[one][2],
        "small": BETAS[0],
        "large": BETAS[-1],
        "shown": SHOWN,
        "inner": 1 - float(np.exp(-0.5)),
        "outer": 1 - float(np.exp(-2)),
    }
    labels = labels_of(split)
    frames = [(_curve(rates, distortions, i), _codes(found[i][3], labels.numpy())) for i in range(len(BETAS))]
    told = [
        Text(
            f"β = {b:g}: rate {rates[i]:.2f}, distortion {distortions[i]:.2f}, ELBO {elbos[i]:.2f}; codes told from "
            f"the prior with AUC {found[i][2]:.2f}",
            f"β = {b:g}：码率 {rates[i]:.2f}，失真 {distortions[i]:.2f}，ELBO {elbos[i]:.2f}；编码与先验的可分度 AUC "
            f"{found[i][2]:.2f}",
        )
        for i, b in enumerate(BETAS)
    ]
    return Chapter(
        "compromise",
        Text("The compromise", "折中"),
        [
            say(
                "The two parts of the ELBO pull in opposite directions. The reconstruction term wants a $z$ that "
                "says much about $x$. The KL term wants a $q(z\\given x)$ that looks like the prior, whatever $x$ is.",
                "ELBO 的两部分方向相反。重构项希望 $z$ 说出很多关于 $x$ 的事；KL 项希望 $q(z\\given x)$ 无论对什么 "
                "$x$ 都像先验。",
            ),
            Formula(r"-\ELBO = D + R, \quad D = -\E_{q}[\log p(x\given z)], \quad R = \KL(q(z\given x)\|p(z))"),
            Code(terms),
            say(
                "Put a weight β on the rate, fit anew for each β, and plot rate against distortion. The ELBO itself "
                "is β = 1. Each fit here has two latents and [[steps]] steps; the lines above are a smaller version, "
                "with 200 steps, so their numbers are not those of β = 1 below.",
                "给码率加一个权重 β，对每个 β 重新拟合，画出码率与失真。ELBO 本身就是 β = 1。这里每次拟合用两个隐变"
                "量、[[steps]] 步；上面几行是简化版，只有 200 步，所以数字与下面 β = 1 的不同。",
            ),
            Formula(
                r"\max_{\phi, \theta}\, \E_{q}[\log p_{\theta}(x\given z)] - \beta\, \KL(q_{\phi}(z\given x)\|p(z))"
            ),
            Plot(
                Text(
                    "Above: the rate–distortion curve on test digits; points on one dashed line have the same ELBO. "
                    "Below: one code z ∼ q(z|x) for each of [[shown]] digits, coloured by digit; the circles hold "
                    "[[inner:.0%]] and [[outer:.0%]] of the prior.",
                    "上图：测试集上的率失真曲线，同一条虚线上的点 ELBO 相同。下图：[[shown]] 个数字各取一个编码 z ∼ "
                    "q(z|x)，按数字着色；两个圆内含先验的 [[inner:.0%]] 与 [[outer:.0%]]。",
                ),
                frames,
                Text("β", "β"),
                told,
                start=one,
            ),
            say(
                "At β = [[small:g]] the rate is [[rate0:.1f]] nats, and the codes lie far outside the circles, in "
                "**islands** between which the prior draws $z$ that the decoder has never seen. A classifier tells "
                "codes from draws of the prior with AUC [[auc0:.2f]] (at β = 1 [[auc1:.2f]]; 0.5 is a match). Its "
                "distortion is the lowest of all, and its ELBO only [[elbo0:.1f]]; its samples stand in the first "
                "row below.",
                "β = [[small:g]] 时码率是 [[rate0:.1f]] 纳特，编码远在圆外，形成一座座**孤岛**；先验会从岛与岛之间抽"
                "出解码器从未见过的 $z$。分类器区分编码与先验样本的 AUC 是 [[auc0:.2f]]（β = 1 时 [[auc1:.2f]]；0.5 "
                "表示两者一致）。失真是所有 β 中最低的，ELBO 却只有 [[elbo0:.1f]]；它生成的样本见下面第一行。",
            ),
            say(
                "At β = [[large:g]] the rate is [[rate9:.2f]]: every $q(z\\given x)$ is the prior, $z$ says nothing, "
                "and every sample is the same mean picture. That is **collapse**; the ELBO is [[elbo9:.1f]]. Between "
                "the ends, at β = [[best:g]], the ELBO is highest: [[elbo:.1f]].",
                "β = [[large:g]] 时码率是 [[rate9:.2f]]：每个 $q(z\\given x)$ 都等于先验，$z$ 什么也没说，每个样本都"
                "是同一张平均图。这就是**坍塌**，ELBO 是 [[elbo9:.1f]]。在两端之间，β = [[best:g]] 时 ELBO 最高："
                "[[elbo:.1f]]。",
            ),
            Pictures(
                Text("Means E[x|z] at ten draws of the prior.", "从先验抽十个 z，解码得到的均值 E[x|z]。"),
                rows,
            ),
            say(
                "So the optimum is neither KL = 0 nor an error of 0, but a $q$ that says enough and stays where the "
                "prior draws. For this decoder it lies at β = [[best:g]]. A stronger one can move it: see [the "
                "slips](#slips).",
                "所以最优点既不是 KL = 0，也不是误差 = 0，而是 $q$ 说得足够、又留在先验会抽到的地方。对这个解码器，它"
                "在 β = [[best:g]]。解码器更强时它可能会移动，见[笔误一章](#slips)。",
            ),
            Command(
                "unveil diagnose RUN --sweep beta",
                Text("The same curve for a model of yours:", "对你自己的模型画同样的曲线："),
            ),
        ],
        values,
    )


def _curve(rates: np.ndarray, distortions: np.ndarray, at: int) -> Figure:
    x, y = room(rates, share=0.06), room(distortions, share=0.12)
    line = np.array(x)
    total = (rates + distortions).min()
    notes = [
        Note(Text(f"β = {b:g}", f"β = {b:g}"), float(rates[i]), float(distortions[i]) + 0.05 * (y[1] - y[0]))
        for i, b in enumerate(BETAS)
        if i in (0, 3, len(BETAS) - 1)
    ]
    notes[0] = Note(notes[0].text, notes[0].x, notes[0].y, anchor="end")
    return Figure(
        Axis(Text("rate R in nats", "码率 R（纳特）"), *x),
        Axis(Text("distortion D", "失真 D"), *y),
        [
            Line(line, total - line, 6, Text("same ELBO as the best", "与最优者 ELBO 相同"), dashed=True),
            Line(rates, distortions, 0),
            Dots(rates, distortions, 0, size=3.5),
            Dots([rates[at]], [distortions[at]], 1, size=6),
            *notes,
        ],
        230,
    )


def _codes(codes: np.ndarray, labels: np.ndarray) -> Figure:
    reach = max(3.2, float(np.quantile(np.abs(codes), 0.99)) * 1.1)
    t = np.linspace(0, 2 * np.pi, 61)
    across = reach * 354 / 226  # as wide as it is high, so that circles are round
    return Figure(
        Axis(Text("z₁", "z₁"), -across, across),
        Axis(Text("z₂", "z₂"), -reach, reach),
        [
            *(Line(r * np.cos(t), r * np.sin(t), 7, width=1.2, dashed=True) for r in (1, 2)),
            Dots(codes[:, 0], codes[:, 1], [OF_DIGITS[int(v)] for v in labels], size=2.3),
        ],
        280,
    )
