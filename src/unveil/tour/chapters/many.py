"""One z, many x; one x, many z."""

import torch

from ...ops import keyed
from ..fits import digits, digits_vae, pictures, q_of, steps_of, whole
from ..words import Chapter, Code, Formula, Pictures, Text, holds, say

SHOWN = 8


def both_ways() -> None:
    from unveil.tour.world import P_X_GIVEN_Z, P_Z

    print("one z, many x: p(x | rain)       ", P_X_GIVEN_Z[2])
    p_xz = P_Z * P_X_GIVEN_Z[:, 2]
    print("one x, many z: p(z | 2 umbrellas)", (p_xz / p_xz.sum()).round(3))


def chapter(share: float) -> Chapter:
    model, data = digits_vae(steps_of(600, share)), digits()
    some = whole(data.test).map(lambda t: t[:3])
    with keyed("tour many"), torch.no_grad():
        one_z = q_of(model, some).mean[2:3]
        many_x = model.decode((one_z.expand(SHOWN, -1),)).sample()
        q = q_of(model, some)
        many_z = q.sample((SHOWN,))[:, 2]
        decoded = model.decode((many_z,)).mean
        scale = float(q.stddev[2].mean())
        shown = float((many_x != many_x[0]).any(0).float().mean())
    holds(shown > 0.05, "draws of p(x|z) at one z differ")
    holds(scale > 0.02, "q(z|x) of one x is spread out")
    rows: list[tuple[Text, list[str], list[str]]] = [
        (Text("one z, many x", "一个 z，多个 x"), pictures(many_x, model), []),
        (Text("one x, many z (x first)", "一个 x，多个 z（首张为 x）"), pictures([some.x[2], *decoded], model), []),
    ]
    return Chapter(
        "many",
        Text("One z, many x; one x, many z", "一个 z 多个 x，一个 x 多个 z"),
        [
            say(
                "The same text can be painted in countless ways, and the same picture described in countless ways. "
                "Both are in the joint distribution: its row of one $z$ is spread over $x$, its column of one $x$ "
                "over $z$.",
                "同一段文字可以画成无数张图，同一张图也可以有无数种描述。两者都在联合分布里：固定 $z$ 的一行分布在各"
                "个 $x$ 上，固定 $x$ 的一列分布在各个 $z$ 上。",
            ),
            Formula(r"p(x, z) = p(x\given z)\, p(z) = p(z\given x)\, p(x)"),
            Code(both_ways),
            say(
                "A VAE of the digits does the same. At one fixed $z$, the decoder's distribution gives many pictures "
                "(first row; [[shown:.0%]] of the pixels differ somewhere). For one picture, the encoder gives a "
                "cloud of $z$, here of width [[scale:.2f]] on average where the prior has 1; decoded, each of them "
                "is nearly that picture (second row).",
                "数字的 VAE 也是这样。固定一个 $z$，解码器的分布给出许多图片（第一行，[[shown:.0%]] 的像素在某张图里"
                "不同）。给定一张图，编码器给出一团 $z$，平均宽度 [[scale:.2f]]，而先验的宽度是 1；解码之后都很像原图"
                "（第二行）。",
            ),
            Pictures(
                Text(
                    "Above: draws of p(x|z), pixel by pixel, at one z. Below: x, then E[x|z] at draws of q(z|x).",
                    "上：同一个 z 下从 p(x|z) 逐像素抽样。下：先是 x，然后是从 q(z|x) 抽取 z 解码得到的 E[x|z]。",
                ),
                rows,
            ),
            say(
                "So neither network is a function from one point to one point. Both give distributions, and that is "
                "what the letters $p(x\\given z)$ and $q(z\\given x)$ say.",
                "所以两个网络都不是点到点的函数，它们给出的都是分布。这正是 $p(x\\given z)$ 和 $q(z\\given x)$ 的含"
                "义。",
            ),
        ],
        {"shown": shown, "scale": scale},
    )
