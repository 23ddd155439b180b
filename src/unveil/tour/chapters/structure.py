"""What makes structure emerge in z, with the ablation."""

from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from ...data import Data
from ...diagnostics.codes import flat_x, posterior_means, ppca_codes
from ...diagnostics.probes import knn_hits, standardised
from ...models.vae import VAE
from ...ops import keyed
from ..figures import Axis, Bars, Dots, Figure
from ..fits import OF_DIGITS, digits, labels_of, q_of, whole
from ..words import Chapter, Code, Formula, Plot, Table, Text, holds, say

LATENT, BATCH, FITTED, SHOWN = 8, 128, 1000, 300
KINDS = {  # what is taken away: weights of reconstruction and rate, whether an encoder is shared, whether it is trained
    "whole": (1.0, 1.0, True, True),
    "no_rate": (1.0, 0.0, True, True),
    "no_reconstruction": (0.0, 1.0, True, True),
    "no_encoder": (1.0, 1.0, False, True),
    "untrained": (1.0, 1.0, True, False),
}
NAMES = {
    "whole": Text("the whole VAE", "完整的 VAE"),
    "no_rate": Text("no rate (β = 0)", "去掉码率（β = 0）"),
    "no_reconstruction": Text("no reconstruction", "去掉重构"),
    "no_encoder": Text("no shared encoder", "去掉共享的编码器"),
    "untrained": Text("nothing trained", "完全不训练"),
    "ppca": Text("a linear model (pPCA)", "线性模型（pPCA）"),
    "x": Text("x itself", "x 本身"),
}


class Free(nn.Module):
    """q(z|x_i) = N(μ_i, σ_i²) with a row of its own for every training example: no weights are shared."""

    def __init__(self, num_examples: int, num_latents: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.randn(num_examples, num_latents))
        self.log_scale = nn.Parameter(torch.full((num_examples, num_latents), -1.0))

    def forward(self, rows: Tensor) -> Normal:
        return Normal(self.mean[rows], self.log_scale[rows].exp(), validate_args=False)


def neighbours() -> None:
    from unveil.diagnostics.codes import flat_x, posterior_means
    from unveil.tour.chapters.structure import knn
    from unveil.tour.fits import digits, labels_of, short_fit

    data, names = digits(), labels_of(digits().train)
    z, x = posterior_means(short_fit(data, steps=200), data.train), flat_x(data.train)
    print(f"5 neighbours in z name the digit rightly in {knn(z.numpy(), names):.1%}")
    print(f"5 neighbours in x name the digit rightly in {knn(x.numpy(), names):.1%}")


def chapter(share: float) -> Chapter:
    data = digits()
    epochs, names = max(12, int(40 * share)), labels_of(data.train)
    hits, maps = {}, {}
    for name, kind in KINDS.items():
        with keyed("tour structure", name):
            codes = _codes(data, epochs, *kind)
        hits[name] = knn(codes, names)
        maps[name] = codes
    x = flat_x(data.train)
    hits["ppca"], hits["x"] = knn(ppca_codes(x, x, LATENT).numpy(), names), knn(x.numpy(), names)
    holds(hits["no_reconstruction"] < 0.45, "there is little structure without reconstruction")
    holds(hits["no_rate"] > hits["whole"] - 0.06, "neighbours are as good without the rate")
    holds(hits["no_encoder"] > 2 * hits["no_reconstruction"], "the decoder alone brings most of the structure")
    holds(
        hits["untrained"] > 2 * hits["no_reconstruction"], "the KL alone removes what an untrained encoder lets through"
    )
    holds(hits["x"] > hits["untrained"], "x itself has more structure than an untrained encoder's z")
    values = {f"h_{name}": 100 * value for name, value in hits.items()} | {
        "epochs": epochs,
        "fitted": FITTED,
        "shown": SHOWN,
    }
    order = list(NAMES)
    ranks = np.arange(float(len(order)))
    bars = Figure(
        Axis(
            Text("what is taken away", "去掉什么"), -0.6, len(order) - 0.4, marks=[(i, str(int(i) + 1)) for i in ranks]
        ),
        Axis(Text("% right", "答对的比例（%）"), 0, 100),
        [Bars(ranks, [100 * hits[name] for name in order], 0, None, 0.6)],
        190,
    )
    shown = ["whole", "no_rate", "no_reconstruction", "no_encoder"]
    return Chapter(
        "structure",
        Text("What makes structure emerge", "结构从何而来"),
        [
            say(
                "Nothing in the ELBO mentions meaning. Yet in a fitted VAE pictures of the same digit lie near each "
                "other in $z$. Three causes are proposed: the reconstruction term, which forces $z$ to carry "
                "information; the KL term, which makes the space smooth; and the data, which has structure, met by "
                "weights that all examples share.",
                "ELBO 里没有一处提到“语义”，但拟合好的 VAE 里，同一个数字的图片在 $z$ 中彼此靠近。通常给出三个原因："
                "重构项迫使 $z$ 携带信息；KL 项使空间平滑；数据本身有结构，而所有样本共用同一组权重。",
            ),
            Formula(
                r"a\, \E_{q_{\phi}(z\given x)}[-\log p_{\theta}(x\given z)] + \beta\, \KL(q_{\phi}(z\given x)\|p(z))"
            ),
            say(
                "Causes can be tested: take one away and look. Each model here is trained for [[epochs]] passes. "
                "Then 5 nearest neighbours, among the codes of [[fitted:,]] training digits, name the digit of the "
                "others; chance is 10 %.",
                "原因可以检验：去掉一个，看结果。这里每个模型训练 [[epochs]] 遍，然后用 [[fitted:,]] 个训练样本的编"
                "码，让 5 个最近邻说出其余样本是哪个数字；瞎猜是 10 %。",
            ),
            say(
                "The lines below do this for a smaller version, a VAE after 200 steps of training, so their share for "
                "$z$ is not that of the whole VAE in the table. The share for $x$ is the same.",
                "下面几行是简化版：VAE 只训练 200 步，所以它打印的 $z$ 的答对比例与表中完整的 VAE 不同；$x$ 的比例则相"
                "同。",
            ),
            Code(neighbours),
            Table(
                Text(
                    "How often 5 neighbours are right. The numbers name the bars below.",
                    "5 个最近邻答对的比例。编号对应下图的柱子。",
                ),
                [Text("model", "模型"), Text("right", "答对的比例")],
                [
                    (Text(f"{i + 1}. {NAMES[name].en}", f"{i + 1}. {NAMES[name].zh}"), [f"{100 * hits[name]:.1f} %"])
                    for i, name in enumerate(order)
                ],
            ),
            Plot(Text("The same as bars.", "同样的数字画成柱。"), [bars]),
            Plot(
                Text(
                    "Codes of [[shown]] training digits, laid flat by their two main directions; colours are digits.",
                    "[[shown]] 个训练样本的编码，投影到两个主方向；颜色表示数字。",
                ),
                [_map(maps[name][:SHOWN], names[:SHOWN].numpy()) for name in shown],
                Text("model", "模型"),
                [NAMES[name] for name in shown],
            ),
            say(
                "Without reconstruction the neighbours are right in [[h_no_reconstruction:.0f]] %. Then only the KL "
                "is left, and it removes from $z$ what even an encoder that was never trained lets through "
                "([[h_untrained:.0f]] %). Without the rate it is [[h_no_rate:.0f]] %, next to [[h_whole:.0f]] % "
                "for the whole, so here the KL is not what brings similar pictures together. Without a shared "
                "encoder, with a free $(\\mu_{i}, \\sigma_{i})$ for each picture, it is [[h_no_encoder:.0f]] %: a "
                "shared decoder, continuous in $z$, does most of it.",
                "去掉重构，只有 [[h_no_reconstruction:.0f]] % 答对。这时只剩 KL，它把从未训练的编码器也会传过去的信息"
                "（[[h_untrained:.0f]] %）从 $z$ 里去掉了。去掉码率是 "
                "[[h_no_rate:.0f]] %，完整模型是 [[h_whole:.0f]] %，可见在这里，把相似图片聚到一起的并不是 KL。去掉共"
                "享的编码器，给每张图一组自由的 $(\\mu_{i}, \\sigma_{i})$，是 [[h_no_encoder:.0f]] %：共享的、对 $z$ "
                "连续的解码器起了大部分作用。",
            ),
            say(
                "And the third cause: neighbours in $x$ itself are right in [[h_x:.0f]] %, a linear model reaches "
                "[[h_ppca:.0f]] %, an encoder that was never trained [[h_untrained:.0f]] %. The structure is in the "
                "data first. A number for $z$ means little unless those two stand beside it.",
                "再看第三个原因：$x$ 本身的近邻答对 [[h_x:.0f]] %，线性模型 [[h_ppca:.0f]] %，从未训练的编码器 "
                "[[h_untrained:.0f]] %。结构首先在数据里。单说 $z$ 的一个数字没有多大意义，旁边必须有这两个数。",
            ),
            say(
                "This is one seed, one small data set and one kind of network. It shows what holds here, not a "
                "theorem.",
                "这里只有一个随机种子、一个小数据集和一种网络。它说明此处的情形，不是定理。",
            ),
        ],
        values,
    )


def _codes(data: Data, epochs: int, reconstruction: float, beta: float, shared: bool, trains: bool) -> np.ndarray:
    """Posterior means of the training examples, [N, D], after a fit with one part taken away."""
    model = VAE.build(data.domain, latent=LATENT, network="mlp", width=64, depth=1)
    model.initialise(whole(data.train))
    free = None if shared else Free(len(data.train), LATENT)
    groups: list[dict[str, object]] = [{"params": model.parameters(), "lr": 2e-3}]
    if free is not None:  # a row is met once a pass, so it takes larger steps
        groups.append({"params": free.parameters(), "lr": 5e-2})
    optimiser = torch.optim.Adam(groups)
    for _ in range(epochs if trains else 0):
        for rows in torch.randperm(len(data.train)).split(BATCH):
            batch = data.train.batch(rows)
            q = cast(Any, q_of(model, batch)).base_dist if free is None else free(rows)
            log_px_z = model.joint(batch, (q.rsample().unsqueeze(0),)).log_px_z[0]
            rate = kl_divergence(q, Normal(0.0, 1.0)).sum(-1)
            optimiser.zero_grad()
            (-reconstruction * log_px_z + beta * rate).mean().backward()
            optimiser.step()
    return (posterior_means(model.eval(), data.train) if free is None else free.mean.detach()).numpy()


def knn(codes: np.ndarray, labels: Tensor) -> float:
    """How often the 5 nearest of the first codes name the label of the others."""
    train, test = standardised(codes[:FITTED], codes[FITTED:])
    return float(knn_hits(train, labels[:FITTED].numpy(), test, labels[FITTED:].numpy()).mean())


def _map(codes: np.ndarray, labels: np.ndarray) -> Figure:
    centred = codes - codes.mean(0)
    flat = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    flat = flat / flat.std()
    return Figure(
        Axis(Text("first direction", "第一方向"), -4, 4),
        Axis(Text("second direction", "第二方向"), -3, 3),
        [Dots(flat[:, 0], flat[:, 1], [OF_DIGITS[int(v)] for v in labels], size=2.3)],
        280,
    )
