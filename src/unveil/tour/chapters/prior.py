"""The prior is a guess."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ...models.vae import VAE
from ...ops import keyed
from ...registry import lookup
from ..figures import Axis, Bars, Figure, Line
from ..fits import digits, judged, rate_and_distortion, steps_of, trained, whole
from ..words import Chapter, Code, Formula, Plot, Table, Text, holds, say

TAU, THETA, CODES = 1.0, 0.5, 10
SIGMA, MU = 1.0, 2.0  # of the observations in the picture


def priors() -> None:
    import torch
    from torch.distributions import Normal

    torch.manual_seed(0)
    z = Normal(1.0, 0.5).sample((5,))  # a prior N(τ, θ²) with τ = 1, θ = 0.5
    u = (z - 1.0) / 0.5  # the same draws as a standard normal
    log_p = Normal(1.0, 0.5).log_prob(z) + torch.tensor(0.5).log()
    print("log p(z) + log θ", log_p.numpy().round(4))
    print("log N(u; 0, 1)  ", Normal(0.0, 1.0).log_prob(u).numpy().round(4))


def chapter(share: float) -> Chapter:
    data, steps = digits(), steps_of(400, max(share, 0.5))
    found = {}
    for name, (latent, prior, posterior) in _kinds().items():
        with keyed("tour prior", name):
            parts: dict[str, Any] = {"prior": prior} | ({} if posterior is None else {"posterior": posterior})
            model = VAE.build(data.domain, network="mlp", width=64, depth=1, latent=latent, **parts)
            model.initialise(whole(data.train))
            if name in ("guess", "codes"):
                for weight in model.prior.parameters():
                    weight.requires_grad_(False)
            if name == "guess":
                with torch.no_grad():
                    model.get_parameter("prior.loc").fill_(TAU)
                    model.get_parameter("prior.log_scale").fill_(float(np.log(THETA)))
            trained(model, data, steps)
        rate, distortion = rate_and_distortion(judged(model, data.test))
        found[name] = (rate, distortion, -rate - distortion)
    values = {
        "steps": steps,
        "tau": TAU,
        "theta": THETA,
        "codes": CODES,
        "cap": float(np.log(CODES)),
        "said": found["codes"][0],
    }
    values |= {f"elbo_{name}": row[2] for name, row in found.items()}
    holds(abs(found["guess"][2] - found["standard"][2]) < 1.5, "N(τ, θ²) does about as well as N(0, I)")
    holds(found["codes"][0] <= np.log(CODES) + 1e-6, "a code of ten costs at most log 10 nats")
    names = {
        "standard": Text("$\\N(0, I)$, two latents", "$\\N(0, I)$，两个隐变量"),
        "guess": Text(
            "$\\N(\\tau, \\theta^{2})$, fixed at [[tau:g]] and [[theta:g]]",
            "$\\N(\\tau, \\theta^{2})$，固定为 [[tau:g]] 和 [[theta:g]]",
        ),
        "learned": Text("a learned mixture of normals", "学出来的混合正态"),
        "codes": Text("one of [[codes]] codes, each equally likely", "[[codes]] 个码字之一，均匀分布"),
    }
    return Chapter(
        "prior",
        Text("The prior is a guess", "先验是一个猜想"),
        [
            say(
                "Nobody knows the true $p(z)$. We guess a form for it and estimate the rest. A VAE guesses a "
                "standard normal, a VQ-VAE a uniform distribution over a list of codes.",
                "没有人知道真正的 $p(z)$。我们先猜它的形式，其余的再估计。VAE 猜标准正态，VQ-VAE 猜码表上的均匀分布。",
            ),
            Formula(r"p(z) = \N(z; 0, I)"),
            say(
                "The custom is old. If $X \\sim \\N(\\mu, \\sigma^{2})$ and $\\mu$ is not known, one gives $\\mu$ a "
                "normal prior $\\N(\\tau, \\theta^{2})$. Each observation then pulls the belief from the guess to "
                "the data.",
                "这种做法由来已久。若 $X \\sim \\N(\\mu, \\sigma^{2})$ 而 $\\mu$ 未知，就给 $\\mu$ 一个正态先验 "
                "$\\N(\\tau, \\theta^{2})$。每来一个观测，信念就从猜想向数据移动一点。",
            ),
            Formula(
                r"p(\mu \given x_{1}, \ldots, x_{n}) = \N\left(\mu; \frac{\tau/\theta^{2} + \sum_{i} x_{i}/\sigma^{2}}"
                r"{1/\theta^{2} + n/\sigma^{2}},\ \frac{1}{1/\theta^{2} + n/\sigma^{2}}\right)"
            ),
            _belief(),
            say(
                "In a VAE a wrong $\\tau$ and $\\theta$ cost nothing, since the networks can undo them: $z = \\tau + "
                "\\theta u$ with $u \\sim \\N(0, I)$ is the same model with another first layer. What matters is the "
                "shape.",
                "在 VAE 里，猜错 $\\tau$ 和 $\\theta$ 没有代价，因为网络可以抵消：$z = \\tau + \\theta u$，$u \\sim "
                "\\N(0, I)$，是同一个模型，只是第一层不同。要紧的是分布的形状。",
            ),
            Code(priors),
            say(
                "Measured: the same small VAE of 8×8 digits, after [[steps]] steps, with four guesses. The shifted "
                "normal ends near the standard one. A single code out of [[codes]] can say at most log [[codes]] = "
                "[[cap:.2f]] nats about a picture. Its rate is [[said:.2f]], and a code says at most its rate. No "
                "guess is right by itself: the ELBO on test examples is the judge.",
                "实测：同一个小 VAE，数据是 8×8 的手写数字，各训练 [[steps]] 步，四种猜想。平移后的正态与标准正态结果"
                "相近。[[codes]] 个码字中的一个，最多只能说出 log [[codes]] = [[cap:.2f]] 纳特。这里的码率是 "
                "[[said:.2f]]，而码字说出的不会多于码率。没有哪个猜想天生正确：由测试样本上的 ELBO 来评判。",
            ),
            Table(
                Text(
                    "Nats per test example; the ELBO is −(rate + distortion), and higher is better.",
                    "每个测试样本的纳特数；ELBO 是 −（码率 + 失真），越高越好。",
                ),
                [Text("prior", "先验"), Text("rate", "码率"), Text("distortion", "失真"), Text("ELBO", "ELBO")],
                [(names[name], [f"{v:.2f}" for v in row]) for name, row in found.items()],
            ),
            Plot(
                Text(
                    "The same as bars: rate below, distortion above. A shorter bar is a better model.",
                    "同样的数字画成柱：下面是码率，上面是失真。柱越短，模型越好。",
                ),
                [_bars(found)],
            ),
        ],
        values,
    )


def _kinds() -> dict[str, tuple[int, Callable[..., Any], Callable[..., Any] | None]]:
    """Latents, prior and posterior of each guess."""

    def of_codes(num_latents: int) -> Any:
        return lookup("prior", "categorical")(num_latents, num_categories=CODES)

    def said(num_features: int, num_latents: int) -> Any:
        return lookup("posterior", "categorical")(num_features, num_latents, num_categories=CODES)

    return {
        "standard": (2, lookup("prior", "standard_normal"), None),
        "guess": (2, lookup("prior", "gaussian"), None),
        "learned": (2, lookup("prior", "mixture"), None),
        "codes": (1, of_codes, said),
    }


def _belief() -> Plot:
    x = MU + SIGMA * np.random.default_rng(3).normal(size=20)
    mu = np.linspace(-3, 5, 161)
    tau, theta = -1.0, 0.8
    guessed = f"N({tau:g}, {theta:g}²)".replace("-", "−")
    frames, told = [], []
    for n in range(len(x) + 1):
        precision = 1 / theta**2 + n / SIGMA**2
        mean = (tau / theta**2 + x[:n].sum() / SIGMA**2) / precision
        density = np.exp(-0.5 * (mu - mean) ** 2 * precision) * np.sqrt(precision / (2 * np.pi))
        guess = np.exp(-0.5 * ((mu - tau) / theta) ** 2) / theta / np.sqrt(2 * np.pi)
        frames.append(
            Figure(
                Axis(Text("μ", "μ"), -3, 5),
                Axis(Text("density", "密度"), 0, 2),
                [
                    Line(mu, guess, 6, Text(f"guess {guessed}", f"猜想 {guessed}"), dashed=True),
                    Line(mu, density, 0, Text("belief after n observations", "n 个观测之后的信念"), filled=True),
                    Line([MU, MU], [0, 2], 1, Text("truth", "真值"), dashed=True, width=1.4),
                ],
                190,
            )
        )
        told.append(
            Text(f"n = {n}: {mean:.2f} ± {precision**-0.5:.2f}", f"n = {n}：{mean:.2f} ± {precision**-0.5:.2f}")
        )
    return Plot(
        Text("A poor guess is overruled by data.", "猜得不好，数据会纠正它。"),
        frames,
        Text("observations n", "观测数 n"),
        told,
        start=3,
    )


def _bars(found: dict[str, tuple[float, float, float]]) -> Figure:
    places = np.arange(float(len(found)))
    rate, distortion = (np.array([row[i] for row in found.values()]) for i in (0, 1))
    named = ("N(0, I)", "N(τ, θ²)", Text("mixture", "混合正态"), Text("codes", "码字"))
    marks = list(zip(places.tolist(), named, strict=True))
    return Figure(
        Axis(Text("prior", "先验"), -0.6, len(found) - 0.4, marks=marks),
        Axis(Text("nats", "纳特"), 0, 1.08 * float((rate + distortion).max())),
        [
            Bars(places, rate, 3, Text("rate", "码率"), 0.5),
            Bars(places, rate + distortion, 0, Text("distortion", "失真"), 0.5, base=rate),
        ],
        210,
    )
