"""Why go through z at all?"""

import numpy as np
import torch

from ...models.mixture import Mixture
from ...ops import keyed
from ..figures import Axis, Dots, Figure, Line
from ..fits import digits, pictures, whole
from ..words import Chapter, Code, Formula, Pictures, Plot, Text, holds, say

SIZES = (1, 2, 5, 10, 20, 40, 80)


def mixtures() -> None:
    import torch

    from unveil.models.mixture import Mixture
    from unveil.tour.fits import digits, whole

    torch.manual_seed(0)
    data = digits()
    for values_of_z in (1, 10, 40):  # one value of z is no z at all
        model = Mixture(data.domain, num_components=values_of_z)
        model.initialise(whole(data.train))
        for _ in range(30):
            model.solve(lambda: [whole(data.train)])
        log_px = model.log_prob(whole(data.test)).mean()
        print(f"{values_of_z:3} values of z: log p(x) = {log_px:.2f} per test picture")


def chapter(share: float) -> Chapter:
    data = digits()
    logs, drawn = [], {}
    for size in SIZES:
        with keyed("tour why", size), torch.no_grad():
            model = Mixture(data.domain, num_components=size)
            model.initialise(whole(data.train))
            for _ in range(30):
                model.solve(lambda: [whole(data.train)])
            logs.append(float(model.log_prob(whole(data.test)).mean()))
            if size in (1, 40):
                drawn[size] = pictures(model.sample(10)[0].float(), model)
    holds(max(logs) > logs[0] + 3, "a z explains the pictures better than none")
    values = {
        "none": logs[0], "best": max(logs), "size": SIZES[int(np.argmax(logs))], "pixels": 64,
        "numbers": 40 * 64 + 39,
    }  # fmt: skip
    return Chapter(
        "why",
        Text("Why go through z at all?", "为什么要绕道 z？"),
        [
            say(
                "We want to draw $x$ from $p(x)$. Why not say $p(x)$ directly? A table of all black-and-white "
                "pictures of [[pixels]] pixels has 2 to the power of [[pixels]] rows. The other simple way, a "
                "product over pixels, needs only [[pixels]] numbers, but says that pixels know nothing of each other.",
                "我们想从 $p(x)$ 抽取 $x$，为什么不直接写出 $p(x)$？[[pixels]] 个像素的黑白图片，全部列成表有 2 的 "
                "[[pixels]] 次方行。另一个简单办法是逐像素相乘，只要 [[pixels]] 个数，可那等于说像素之间毫无关系。",
            ),
            Formula(r"p(x) = \prod_{d} p(x_{d})", r"p(x) = \sum_{z} p(z) \prod_{d} p(x_{d} \given z)"),
            say(
                "With a $z$ the pixels may stay independent given $z$; what they have in common goes into $z$. Each "
                "part is simple, and the sum is not: with normal parts it is a mixture of normals, which can take "
                "nearly any form.",
                "有了 $z$，像素只需在给定 $z$ 时独立，它们的共同之处都放进 $z$。每一部分都简单，和却不简单：各部分取"
                "正态时，就是混合正态分布，几乎可以取任何形状。",
            ),
            Formula(r"p(x) = \int p(z)\, \N(x; \mu_{\theta}(z), \sigma^{2} I)\, dz"),
            Code(mixtures),
            Plot(
                Text(
                    "log p(x) of test digits for mixtures with so many values of z.",
                    "z 取若干个值的混合模型在测试数字上的 log p(x)。",
                ),
                [
                    Figure(
                        Axis(
                            Text("values of z", "z 的取值个数"),
                            1,
                            80,
                            log=True,
                            marks=[(float(s), str(s)) for s in SIZES],
                        ),
                        Axis(
                            Text("nats per picture", "每张图的纳特数"),
                            np.floor(min(logs)) - 0.5,
                            np.ceil(max(logs)) + 0.5,
                        ),
                        [Line(SIZES, logs, 0), Dots(SIZES, logs, 0, size=4)],
                        210,
                    )
                ],
            ),
            say(
                "Without $z$: [[none:.2f]] nats per picture. With [[size]] values: [[best:.2f]]. Drawing is as easy "
                "as before: first a $z$ from $p(z)$, then an $x$ from $p(x\\given z)$.",
                "没有 $z$：每张图 [[none:.2f]] 纳特。[[size]] 个取值：[[best:.2f]]。抽样和原来一样容易：先从 $p(z)$ "
                "抽 $z$，再从 $p(x\\given z)$ 抽 $x$。",
            ),
            Pictures(
                Text("Draws, pixel by pixel.", "逐像素抽样的结果。"),
                [
                    (Text("without z", "没有 z"), drawn[1], []),
                    (Text("40 values of z", "z 有 40 个取值"), drawn[40], []),
                ],
            ),
            say(
                "And $z$ is worth something by itself: a short description of $x$ that one can compare, move and "
                "search. That is not free of cost: $p(x)$ is now a sum over $z$. With [[size]] values of $z$ it is "
                "short, and was computed above. Where $z$ is a vector of many numbers, nobody can compute it ([next "
                "chapter](#integral)), and the ELBO is needed.",
                "而且 $z$ 本身就有用：它是 $x$ 的简短描述，可以比较、移动和检索。代价是 $p(x)$ 变成了对 $z$ 求和。"
                "[[size]] 个取值时和很短，上面已经算出。如果 $z$ 是由许多数组成的向量，这个和就没人算得出来（见[下一"
                "章](#integral)），于是需要 ELBO。",
            ),
        ],
        values,
    )
