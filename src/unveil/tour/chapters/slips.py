"""Slips of the notes, each put right with a check that shows it."""

from __future__ import annotations

import numpy as np

from ..figures import Axis, Dots, Figure, Line, Numbers
from ..words import Block, Chapter, Code, Formula, Plot, Text, holds, say

TIED = 0.9  # how often the second pixel equals the first
POINTS = 60


def sign() -> None:
    import numpy as np
    import torch
    from torch.distributions import Normal

    x, x_hat, sigma = torch.tensor([0.2, 0.9, 0.4]), torch.tensor([0.3, 0.7, 0.4]), 0.5
    note = ((x - x_hat) ** 2).sum() / (2 * sigma**2) + 3 / 2 * np.log(2 * np.pi * sigma**2)
    print(f"as the note has it: {note:.4f}")
    print(f"log p(x|z)        : {Normal(x_hat, sigma).log_prob(x).sum():.4f}")


def denominator() -> None:
    import numpy as np

    from unveil.tour.world import P_X_GIVEN_Z, P_Z

    p_xz = P_Z * P_X_GIVEN_Z[:, 2]  # two umbrellas
    p_z_x = p_xz / p_xz.sum()
    for q in (np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.1, 0.8])):
        by_p, by_q = (q * np.log(p_xz / p_z_x)).sum(), (q * np.log(p_xz / q)).sum()
        print(f"q = {q}: with p(z|x) below {by_p:.4f}, with q below {by_q:.4f}")


def left_out() -> None:
    import numpy as np

    from unveil.tour.world import P_X_GIVEN_Z, P_Z

    p_xz = P_Z * P_X_GIVEN_Z[:, 2]  # two umbrellas
    q = np.array([0.2, 0.3, 0.5])
    elbo = (q * np.log(p_xz / q)).sum()
    kl = (q * np.log(q / (p_xz / p_xz.sum()))).sum()
    print(f"(1.15): ELBO + KL = {elbo:.4f} + {kl:.4f} = {elbo + kl:.4f}")
    print(f"(1.6) : ELBO      = {elbo:.4f}")
    print(f"log p(x) = {np.log(p_xz.sum()):.4f}, p(x) = {p_xz.sum():.4f}")


def which_way() -> None:
    import torch

    from unveil.tour.fits import digits, q_of, short_fit

    model, x = short_fit(digits(), steps=1), digits().test.batch(torch.arange(1))
    z = q_of(model, x).mean
    print("q(z|x), encoder:", tuple(x.x.shape), "→", tuple(z.shape))
    print("p(x|z), decoder:", tuple(z.shape), "→", tuple(model.decode((z,)).mean.shape))


def no_kl() -> None:
    import numpy as np
    from scipy.stats import norm

    z, width = np.linspace(-0.2, 0.2, 4001, retstep=True)
    p_xz = norm.pdf(z, 0, 0.01) * norm.pdf(0.0, z, 0.01)  # p(z) p(x|z) at x = 0
    q = p_xz / (p_xz.sum() * width)
    print(f"∫ p(x, z) dz = {p_xz.sum() * width:.3f}, which is p(x) and not 1")
    so_called = (q * np.log(q / p_xz)).sum() * width
    print(f"∫ q log q/p(x, z) dz = {so_called:.3f}; no KL is negative")


def strong_decoder() -> None:
    import numpy as np

    p = np.array([[0.45, 0.05], [0.05, 0.45]])  # two pixels that are nearly always equal
    weak = np.log(np.outer(p.sum(1), p.sum(0)))  # draws each pixel by itself
    strong = np.log(p)  # draws the second pixel after a look at the first
    best = (p * np.log(p)).sum()  # −entropy: no model does better on average
    print(f"KL = 0, weak decoder  : ELBO {(p * weak).sum():.4f}")
    print(f"KL = 0, strong decoder: ELBO {(p * strong).sum():.4f}; best of all {best:.4f}")


def constant_in_what() -> None:
    import numpy as np

    from unveil.tour.world import P_X_GIVEN_Z, P_Z

    for name, p_x_z in (("θ", P_X_GIVEN_Z[:, 2]), ("another θ", np.array([0.1, 0.3, 0.5]))):
        p_xz = P_Z * p_x_z
        for q in (np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.1, 0.8])):
            elbo = (q * np.log(p_xz / q)).sum()
            log_px = np.log(p_xz.sum())
            print(f"{name:9}, q = {q}: log p(x) = {log_px:.4f}, ELBO = {elbo:.4f}")


def shuffled() -> None:
    import numpy as np
    from scipy.stats import norm, spearmanr

    x = np.linspace(-3, 3, 60)  # 60 examples in a row
    mean = norm.ppf((np.arange(60) + 0.5) / 60)  # their codes, in the same order
    dealt = np.random.default_rng(0).permutation(mean)
    for name, m in (("in order", mean), ("shuffled", dealt)):
        kl = (0.02**2 + m**2 - 1 - 2 * np.log(0.02)) / 2  # q(z|x) = N(m, 0.02²)
        kept = spearmanr(x, m).statistic
        print(f"{name}: mean KL {kl.mean():.4f}, order of x kept in z: {kept:.2f}")


def no_width() -> None:
    import numpy as np
    from scipy.stats import norm

    for points in (100, 1000, 10_000):
        z, width = np.linspace(-6, 6, points, retstep=True)
        terms = norm.pdf(z) * norm.pdf(1.2, z, 0.3)
        total = terms.sum()
        print(f"{points:6,} points: without Δz {total:9.3f}, with Δz {total * width:.5f}")


def two_peaks() -> None:
    import numpy as np
    from scipy.stats import norm

    z, width = np.linspace(-4, 4, 8001, retstep=True)
    joint = norm.pdf(z) * norm.pdf(1.0, z**2, 0.3)  # x = z² + noise, and x = 1 is seen
    posterior = joint / (joint.sum() * width)
    for at in (-1.0, 0.0, 1.0):
        print(f"p(z = {at:4.1f} | x = 1) = {np.interp(at, z, posterior):.3f}")


def widths() -> None:
    import torch

    from unveil.tour.fits import digits, q_of, short_fit

    model = short_fit(digits(), steps=100)
    q = q_of(model, digits().test.batch(torch.arange(1)))
    print("σ of one picture:", q.stddev[0].detach().numpy().round(2))


def chapter(share: float) -> Chapter:
    strong, weak, rates = _decoders()
    holds(int(strong.argmax()) == 0, "for the strong decoder collapse is the optimum")
    holds(int(weak.argmax()) == len(weak) - 1, "for the weak decoder the optimum has a rate")
    holds(abs(strong[0] - weak[-1]) < 1e-3, "both optima have the same ELBO")
    ordered, mixed = _orders()
    holds(bool(abs(np.square(ordered).sum() - np.square(mixed).sum()) < 1e-9), "a permutation of codes keeps the KL")
    blocks: list[Block] = [
        say(
            "Notes are written on the way to understanding, and these are good ones. A few lines would lead a reader "
            "astray. Each stands here with what is meant, and most with a check that anyone can run.",
            "笔记是在走向理解的路上写的，这几篇写得很好。只有几处会让读者走偏。下面逐条说明本意，多数附有谁都能运行的检"
            "验。",
        ),
        say(
            "**The sign of the reconstruction term (note 003).** The note sets $\\E[\\log p(x\\given z)]$ equal to "
            "the squared error plus a constant. That is its negative, the loss. Whoever maximised it as written "
            "would look for the largest error.",
            "**重构项的符号（笔记 003）。** 笔记把 $\\E[\\log p(x\\given z)]$ 写成平方误差加常数。那其实是它的相反"
            "数，也就是损失。照原样去最大化，就会去找最大的误差。",
        ),
        Formula(
            r"\E[\log p(x\given z)] = -\left(\frac{1}{2\sigma_{x}^{2}} \left\Vert x - \hat{x} \right\Vert^{2} + "
            r"\frac{d}{2} "
            r"\log(2\pi\sigma_{x}^{2})\right) = -\mathcal{L}_{\text{reconstruction}}"
        ),
        Code(sign),
        say(
            "**$p(z\\given x)$ in the denominator instead of $q$ (note 003).** The line $\\log p(x) = \\log \\int "
            "q(z\\given x) \\frac{p(x, z)}{p(z\\given x)} dz$ is not false: the fraction is $p(x)$ for every $z$. "
            "But it is not the step to the ELBO. With $p(z\\given x)$ below, the result is $\\log p(x)$ whatever $q$ "
            "is, and it needs the posterior that nobody has. With $q$ below, it is the ELBO.",
            "**分母里该写 $q$，却写成了 $p(z\\given x)$（笔记 003）。** $\\log p(x) = \\log \\int q(z\\given x) "
            "\\frac{p(x, z)}{p(z\\given x)} dz$ 这一行并不假：分数对每个 $z$ 都等于 $p(x)$。但它不是通向 ELBO 的那一"
            "步。分母是 $p(z\\given x)$ 时，无论 $q$ 是什么，结果都是 $\\log p(x)$，而且需要谁也没有的后验。分母是 "
            "$q$ 时，才是 ELBO。",
        ),
        Formula(r"\log p(x) = \log \int q(z\given x)\, \frac{p(x, z)}{q(z\given x)}\, dz"),
        Code(denominator),
        say(
            "**$p(z\\given x)$ is not the decoder (note 001).** What leads from $x$ to $z$ encodes; the decoder is "
            "$p(x\\given z)$. The note itself says so a page later.",
            "**$p(z\\given x)$ 不是解码器（笔记 001）。** 从 $x$ 到 $z$ 是编码；解码器是 $p(x\\given z)$。笔记后文自"
            "己也是这样说的。",
        ),
        Code(which_way),
        say(
            "**What equals ELBO plus KL, and which line drops the KL (note 001).** The note says that “the true "
            "distribution” equals the sum. It is its logarithm, $\\log p(x)$, as (1.15) itself has it. And the line in "
            "which Jensen's inequality takes the KL away is (1.6), not (1.8); (1.8) states the inequality.",
            "**等于 ELBO 加 KL 的是什么，KL 又是在哪一行消失的（笔记 001）。** 笔记说“真实分布等于”这个和。其实是它的对"
            "数 $\\log p(x)$，公式 (1.15) 本身就是这样写的。而 Jensen 不等式消去 KL 的那一行是 (1.6)，不是 (1.8)；"
            "(1.8) 是不等式本身。",
        ),
        Code(left_out),
        say(
            "**“$\\KL(q\\|p(x, z))$” is no KL (note 002).** As a function of $z$, $p(x, z)$ does not sum to one but "
            "to $p(x)$. A KL compares two distributions, and is never negative; this integral is $-\\ELBO$, and may "
            "be negative. The equation of the note is right once it is read so.",
            "**“$\\KL(q\\|p(x, z))$”不是 KL（笔记 002）。** 作为 $z$ 的函数，$p(x, z)$ 的总和是 $p(x)$ 而不是一。KL "
            "比较两个分布，从不为负；而这个积分是 $-\\ELBO$，可以为负。这样理解，笔记的等式就是对的。",
        ),
        Formula(
            r"\log p(x) = \KL(q(z)\|p(z\given x)) - \int q(z) \log \frac{q(z)}{p(x, z)}\, dz",
            r"= \KL(q(z)\|p(z\given x)) + \ELBO",
        ),
        Code(no_kl),
        say(
            "**“KL = 0 makes the ELBO very low” (note 004).** It does for a weak decoder, which needs $z$ to tie the "
            "pixels together. A strong decoder ties them by itself: then every nat of $z$ costs a nat and gains "
            "none, and collapse is the optimum, not an accident.",
            "**“KL = 0 使 ELBO 极低”（笔记 004）。** 对弱解码器是这样，它要靠 $z$ 把像素联系起来。强解码器自己就能联"
            "系：这时 $z$ 的每一纳特都要付一纳特，却什么也换不来，坍塌就是最优解，而不是事故。",
        ),
        Code(strong_decoder),
        Plot(
            Text(
                "Two pixels, equal in [[tied:.0%]] of the pictures; z is a bit that copies the first pixel more or "
                "less surely. The weak decoder draws the pixels apart given z; the strong one draws the second after "
                "the first, and ignores z.",
                "两个像素，[[tied:.0%]] 的图片里相等；z 是一个比特，以不同的可靠程度抄写第一个像素。弱解码器在给定 z "
                "后各自抽取像素；强解码器看过第一个再抽第二个，不理会 z。",
            ),
            [
                Figure(
                    Axis(Text("rate KL(q‖p(z)) in nats", "码率 KL(q‖p(z))（纳特）"), 0, 0.7),
                    Axis(Text("ELBO", "ELBO"), -1.8, -0.9),
                    [
                        Line(rates, weak, 2, Text("weak decoder", "弱解码器")),
                        Line(rates, strong, 1, Text("strong decoder", "强解码器")),
                        Dots([rates[0], rates[-1]], [strong[0], weak[-1]], [1, 2], size=5),
                    ],
                    210,
                )
            ],
        ),
        say(
            "**“$\\log p(x)$ is a constant” (notes 000 and 004).** In φ, for a fixed model: yes. In θ: no, its "
            "change is the whole of learning. And there are two things called $p(x)$: the distribution of the world, "
            "which no weight touches, and the model's $p_{\\theta}(x)$, which training raises.",
            "**“$\\log p(x)$ 是常数”（笔记 000 与 004）。** 对 φ、在模型固定时：是。对 θ：不是，学习就是要改变它。而"
            "且有两样东西都叫 $p(x)$：一是真实世界的分布，任何权重都动不了它；二是模型的 $p_{\\theta}(x)$，训练正是要"
            "提高它。",
        ),
        Code(constant_in_what),
        say(
            "**“The KL forces near $x$ to near $z$” (note 004).** It does not by itself. The KL looks at each "
            "$q(z\\given x)$ alone. Deal the same codes out to the examples in another order: the mean KL is the "
            "same to the last digit, and so is the aggregate. Nearness comes from networks that are continuous and "
            "shared, and from the width of $q$, which makes the decoder read neighbouring $z$ alike; see [the "
            "ablation](#structure).",
            "**“KL 迫使相近的 $x$ 映到相近的 $z$”（笔记 004）。** 单靠 KL 做不到。KL 只分别看每个 $q(z\\given x)$。把"
            "同一批编码换个次序发给各个样本，平均 KL 一位不差，汇总的分布也不变。相近来自连续而共享的网络，也来自 "
            "$q$ 的宽度，它让解码器对相邻的 $z$ 给出相似的结果；见[消融实验](#structure)。",
        ),
        Code(shuffled),
        Plot(
            Text(
                "[[points]] examples x and the means of their codes, in order and dealt out anew: the same KL.",
                "[[points]] 个样本 x 与它们编码的均值：按序，以及重新发放。KL 相同。",
            ),
            [
                Figure(
                    Axis(Text("x", "x"), -3.2, 3.2),
                    Axis(Text("mean of q(z|x)", "q(z|x) 的均值"), -2.7, 2.7),
                    [
                        Dots(np.linspace(-3, 3, POINTS), ordered, 0, Text("in order", "按序"), size=3),
                        Dots(np.linspace(-3, 3, POINTS), mixed, 1, Text("shuffled", "打乱"), size=3),
                    ],
                    220,
                )
            ],
        ),
        say("Further small ones, found on the way:", "顺便发现的几处小问题："),
        say(
            "**The sum without a width (note 000).** For a continuous $z$, $\\sum_{i} p(z_{i})\\, p(x\\given z_{i})$ "
            "grows with the number of points. It needs the width $\\Delta z$. (For a discrete $z$ it is right as it "
            "stands.)",
            "**求和少了宽度（笔记 000）。** $z$ 连续时，$\\sum_{i} p(z_{i})\\, p(x\\given z_{i})$ 会随点数增长，需要"
            "乘上宽度 $\\Delta z$。（$z$ 离散时，原式正确。）",
        ),
        Code(no_width),
        say(
            "**“Maximising the bound equals maximising $p(x)$” (note 000).** It is sure only where the gap does not "
            "depend on θ. [Maximum likelihood](#mle) shows a model where the two differ.",
            "**“最大化下界等于最大化 $p(x)$”（笔记 000）。** 只有差距与 θ 无关时才有把握。[最大似然](#mle)一章给出了"
            "两者不同的模型。",
        ),
        say(
            "**“$p(z\\given x)$ is a normal distribution” (note 003).** $q(z\\given x)$ is, because we chose it so. "
            "The true posterior may have two peaks, though prior and likelihood are normal.",
            "**“$p(z\\given x)$ 是高斯分布”（笔记 003）。** $q(z\\given x)$ 是，因为我们这样选的。真后验可以有两个"
            "峰，哪怕先验和似然都是正态。",
        ),
        Code(two_peaks),
        say(
            "**$\\sigma^{2} I$ where a diagonal is meant (notes 001 and 004).** One σ times $I$ is a ball. The "
            "encoder gives each latent a σ of its own, so the covariance is "
            "$\\operatorname{diag}(\\sigma^{2}_{\\phi}(x))$, and the closed form of the KL is added up over the "
            "dimensions.",
            "**写作 $\\sigma^{2} I$，本意是对角阵（笔记 001 与 004）。** 单个 σ 乘 $I$ 是一个球。编码器给每个隐变量各"
            "自的 σ，所以协方差是 $\\operatorname{diag}(\\sigma^{2}_{\\phi}(x))$，KL 的闭式解按维相加。",
        ),
        Code(widths),
        say(
            "**“One large step could fold many small ones” (note 004).** True of adding noise, exactly. False of "
            "taking it away, as long as each step is normal. See [the steps](#steps), also for what many small "
            "steps bring.",
            "**“一大步可以折叠多小步”（笔记 004）。** 对加噪完全正确；对去噪，只要每步都是正态分布，就不成立。见[步数"
            "一章](#steps)，那里也说明多小步的好处究竟在哪里。",
        ),
        say(
            "**Slips of the pen.** Note 004 has pictures of a cat and of a mouse, and then exchanges “cat and dog”; "
            "cat and mouse are meant, and the thought is a good one: see [z as text](#text). Jensen is once written "
            "“Jenson” (note 001), and his inequality once “inequity” (note 002).",
            "**手误。** 笔记 004 的两张图是猫和老鼠，接着却写成“把猫和狗互换”；本意是猫和老鼠，这个想法很好，见[把 z "
            "看作文字](#text)。另外，Jensen 有一处写成 Jenson（笔记 001），inequality "
            "有一处写成 inequity（笔记 002）。",
        ),
    ]
    return Chapter(
        "slips", Text("A few slips in the notes", "笔记中的几处笔误"), blocks, {"tied": TIED, "points": POINTS}
    )


def _decoders() -> tuple[Numbers, Numbers, Numbers]:
    """The ELBO of the strong and of the weak decoder, and the rate, as the bit z copies the first pixel more surely."""
    p = np.array([[TIED, 1 - TIED], [1 - TIED, TIED]]) / 2  # [x₁, x₂]
    rates, strong, weak = [], [], []
    for wrong in np.linspace(0.5, 1e-9, 80):
        q = np.array([[1 - wrong, wrong], [wrong, 1 - wrong]])  # [x₁, z]
        rate = float((0.5 * q * np.log(2 * q)).sum())  # the prior of z is ½, and so is its aggregate
        second = np.einsum("ab,az->zb", p, q) * 2  # p(x₂|z) that fits best; p(x₁|z) is q turned around
        expected = (np.einsum("ab,az->az", p, q) * np.log(q)).sum() + (
            np.einsum("ab,az->zb", p, q) * np.log(second)
        ).sum()
        rates.append(rate)
        weak.append(float(expected) - rate)
        strong.append(float((p * np.log(p)).sum()) - rate)
    return np.array(strong), np.array(weak), np.array(rates)


def _orders() -> tuple[Numbers, Numbers]:
    from scipy.stats import norm

    mean = norm.ppf((np.arange(POINTS) + 0.5) / POINTS)
    return mean, np.random.default_rng(0).permutation(mean)
