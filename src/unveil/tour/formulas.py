"""Where each formula of the study notes is: the formula as it stands there, and the chapter that has it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A formula of a note, the anchor of the chapter that has it, and where words stand in it, the same in English."""

    tex: str
    anchor: str
    en: str | None = None


def _places(*rows: tuple[str, str] | tuple[str, str, str]) -> list[Place]:
    return [Place(*row) for row in rows]


NOTES: dict[str, list[Place]] = {
    "000": _places(
        (r"\max_{\theta}\, p_{\theta}(x)", "mle"),
        (r"p_{\theta}(x) = \int_{z} p(z)\, p_{\theta}(x|z)", "integral"),
        (r"= \sum_{i} p(z_{(i)})\, p_{\theta}(x|z_{(i)})", "slips"),
        (r"\min_{\phi}\, \KL(q_{\phi}(z|x) \| p(z|x))", "identity"),
        (r"\KL(q(x) \| p(x)) = \int_{x} q(x) \log \frac{q(x)}{p(x)}", "kl"),
        (r"\KL(q_{\phi}(z|x)\|p(z|x)) = \int_{z} q_{\phi}(z|x) \log \frac{q_{\phi}(z|x)}{p(z|x)}", "identity"),
        (r"= \int_{z} q_{\phi}(z|x) \log \frac{q_{\phi}(z|x)\, p(x)}{p(x, z)}", "identity"),
        (r"= \int_{z} q_{\phi}(z|x) \log \frac{q_{\phi}(z|x)}{p(x, z)} + \int_{z} q_{\phi}(z|x) \log p(x)", "identity"),
        (r"= -\mathcal{L}(\phi) + \log p(x)", "identity"),
        (r"\log p(x) = \int_{z} q_{\phi}(z|x) \log p(x),\quad \int_{z} q_{\phi}(z|x) = 1", "identity"),
        (r"p(x, z) = p(z)\, p(x|z)", "five"),
        (r"\mathcal{L}(\phi) = \int_{z} q_{\phi}(z|x) \log \frac{p(x, z)}{q_{\phi}(z|x)}", "jensen"),
        (r"= \int_{z} q_{\phi}(z|x) \log \frac{p(z)\, p(x|z)}{q_{\phi}(z|x)}", "identity"),
        (r"\max_{\phi}\, \mathcal{L}(\phi)", "identity"),
        (r"\mathcal{L}(\phi) \le \log p(x)", "identity"),
    ),
    "001": _places(
        (r"(1.1)\quad p(x) = \int p(x, z)\, dz", "integral"),
        (r"(1.2)\quad p(x) = \frac{p(x, z)}{p(z|x)}", "chain"),
        (r"(1.3)\quad \log p(x) = \log \int p(x, z)\, dz", "integral"),
        (r"(1.4)\quad = \log \int \frac{p(x, z)\, q_{\phi}(z|x)}{q_{\phi}(z|x)}\, dz", "jensen"),
        (r"(1.5)\quad = \log \E_{q_{\phi}(z|x)}[\frac{p(x, z)}{q_{\phi}(z|x)}]", "jensen"),
        (r"(1.6)\quad \ge \E_{q_{\phi}(z|x)}[\log \frac{p(x, z)}{q_{\phi}(z|x)}]", "jensen"),
        (r"(1.7)\quad E(Y) = E(g(X)) = \int_{-\infty}^{+\infty} g(x) f(x)\, dx", "jensen"),
        (r"(1.8)\quad f(\sum_{i=1}^{n} \lambda_{i} x_{i}) \le \sum_{i=1}^{n} \lambda_{i} f(x_{i})", "jensen"),
        (r"(1.9)\quad \log p(x) = \log p(x) \int q_{\phi}(z|x)\, dz", "identity"),
        (r"(1.10)\quad = \int q_{\phi}(z|x) (\log p(x))\, dz", "identity"),
        (r"(1.11)\quad = \E_{q_{\phi}(z|x)}[\log p(x)]", "identity"),
        (r"(1.12)\quad = \E_{q_{\phi}(z|x)}[\log \frac{p(x, z)}{p(z|x)}]", "identity"),
        (r"(1.13)\quad = \E_{q_{\phi}(z|x)}[\log \frac{p(x, z)\, q_{\phi}(z|x)}{p(z|x)\, q_{\phi}(z|x)}]", "identity"),
        (
            r"(1.14)\quad = \E_{q_{\phi}(z|x)}[\log \frac{p(x, z)}{q_{\phi}(z|x)}] + "
            r"\E_{q_{\phi}(z|x)}[\log \frac{q_{\phi}(z|x)}{p(z|x)}]",
            "identity",
        ),
        (
            r"(1.15)\quad = \E_{q_{\phi}(z|x)}[\log \frac{p(x, z)}{q_{\phi}(z|x)}] + \DKL(q_{\phi}(z|x)\|p(z|x))",
            "identity",
        ),
        (r"(1.16)\quad \ge \E_{q_{\phi}(z|x)}[\log \frac{p(x, z)}{q_{\phi}(z|x)}]", "identity"),
        (r"(1.17)\quad \KL(P\|Q) = \int p(x) \log \frac{P(x)}{Q(x)}\, dx", "kl"),
        (
            r"(1.18)\quad \E_{q_{\phi}(z|x)}[\log \frac{p(x, z)}{q_{\phi}(z|x)}] = "
            r"\E_{q_{\phi}(z|x)}[\log \frac{p_{\theta}(x|z)\, p(z)}{q_{\phi}(z|x)}]",
            "identity",
        ),
        (
            r"(1.19)\quad = \E_{q_{\phi}(z|x)}[\log p_{\theta}(x|z)] + \E_{q_{\phi}(z|x)}[\log "
            r"\frac{p(z)}{q_{\phi}(z|x)}]",
            "identity",
        ),
        (
            r"(1.20)\quad = \underbrace{\E_{q_{\phi}(z|x)}[\log p_{\theta}(x|z)]}_{\text{重建项}} - "
            r"\underbrace{\DKL(q_{\phi}(z|x)\|p(z))}_{\text{先验匹配项}}",
            "identity",
            r"(1.20)\quad = \underbrace{\E_{q_{\phi}(z|x)}[\log p_{\theta}(x|z)]}_{\text{reconstruction term}} - "
            r"\underbrace{\DKL(q_{\phi}(z|x)\|p(z))}_{\text{prior matching term}}",
        ),
        (r"(1.21)\quad q_{\phi}(z|x) = \N(z; \mu_{\phi}(x), \sigma^{2}_{\phi}(x) I)", "slips"),
        (r"(1.22)\quad p(z) = \N(z; 0, I)", "prior"),
        (
            r"(1.23)\quad \DKL(\N(\mu_{1}, \sigma_{1}^{2})\|\N(\mu_{2}, \sigma_{2}^{2})) = \log "
            r"\frac{\sigma_{2}}{\sigma_{1}} - "
            r"\frac{1}{2} + \frac{\sigma_{1}^{2} + (\mu_{1} - \mu_{2})^{2}}{2\sigma_{2}^{2}}",
            "kl",
        ),
        (
            r"(1.24)\quad \argmax_{\phi, \theta}\, \E_{q_{\phi}(z|x)}[\log p_{\theta}(x|z)] - "
            r"\DKL(q_{\phi}(z|x)\|p(z))",
            "montecarlo",
        ),
        (
            r"\approx \argmax_{\phi, \theta}\, \frac{1}{L} \sum_{l=1}^{L} \log p_{\theta}(x|z^{(l)}) - "
            r"\DKL(q_{\phi}(z|x)\|p(z))",
            "montecarlo",
        ),
        (r"\E_{p(x)}[f(x)] = \int_{-\infty}^{+\infty} f(x) p(x)\, dx", "montecarlo"),
        (r"Q_{n} = \frac{1}{n} \sum_{i=1}^{n} f(X_{i})", "montecarlo"),
        (r"x = \mu + \sigma \epsilon,\quad \epsilon \sim \N(\epsilon; 0, I)", "gradient"),
        (r"y = \frac{x - \mu}{\sigma}", "gradient"),
        (
            r"(1.25)\quad z = \mu_{\phi}(x) + \sigma_{\phi}(x) \odot \epsilon,\quad \epsilon \sim \N(\epsilon; 0, I)",
            "gradient",
        ),
    ),
    "002": _places(
        (r"\log p(x) = \log \int_{\mathcal{Z}} p(x|z)\, p(z)\, dz", "integral"),
        (r"= \log \int_{\mathcal{Z}} q(z) \frac{p(x|z)\, p(z)}{q(z)}\, dz", "jensen"),
        (r"= \log E_{z \sim q(z)}[\frac{p(x|z)\, p(z)}{q(z)}]", "jensen"),
        (r"\ge E_{z \sim q(z)}[\log \frac{p(x|z)\, p(z)}{q(z)}] \quad \text{(Jensen inequity)}", "jensen"),
        (r"= E_{z \sim q(z)}[\log p(x|z)] - \KL(q(z)\|p(z))", "identity"),
        (r"\log p(x) = \int_{\mathcal{Z}} q(z) \log \frac{p(x, z)\, q(z)}{p(z|x)\, q(z)}\, dz", "identity"),
        (r"= E_{z \sim q(z)}[\log \frac{q(z)}{p(z|x)}] - E_{z \sim q(z)}[\log \frac{q(z)}{p(x, z)}]", "identity"),
        (r"= \KL(q(z)\|p(z|x)) - \KL(q(z)\|p(x, z))", "slips"),
        (r"\ELBO = \log p(x) - \KL(q(z)\|p(z|x))", "identity"),
        (r"p(x),\ p(z),\ p(x|z),\ p(z|x)", "five"),
    ),
    "003": _places(
        (r"\log p(x) = \log \int p(x, z)\, dz", "integral"),
        (r"\log p(x) = \log \int q(z|x) \frac{p(x, z)}{p(z|x)}\, dz", "slips"),
        (r"\log p(x) \ge \E_{q(z|x)}[\log \frac{p(x, z)}{q(z|x)}]", "jensen"),
        (r"\log p(x) \ge \E_{q(z|x)}[\log p(x|z)] - \KL(q(z|x)\|p(z))", "identity"),
        (
            r"p(x|z) = \frac{1}{(2\pi\sigma_{x}^{2})^{d/2}} \exp(-\frac{1}{2\sigma_{x}^{2}} \|x - \hat{x}\|^{2})",
            "sigma",
        ),
        (r"p(x, z) = p(z) \cdot p(x|z)", "five"),
        (
            r"\E[\log p(x|z)] = \mathcal{L}_{\text{reconstruction}} = \frac{1}{2\sigma_{x}^{2}} \|x - \hat{x}\|^{2} + "
            r"\frac{d}{2} \log(2\pi\sigma_{x}^{2})",
            "slips",
        ),
        (
            r"-\log p(x|z) = \frac{d}{2} \log(2\pi\sigma_{x}^{2}) + \frac{1}{2\sigma_{x}^{2}} \|x - \hat{x}\|^{2}",
            "sigma",
        ),
        (r"\log p(x) \ge \E[\log p(x|z)] - \KL(q(z|x)\|p(z))", "identity"),
        (r"\E_{q(z|x)}[\log p(x|z)] = \int \log p(x|z)\, q(z|x)\, dz", "montecarlo"),
        (r"\KL(P\|Q) = \E_{P}[\log \frac{P(X)}{Q(X)}]", "kl"),
    ),
    "004": _places(
        (r"p(x) = \int p(x \given z)\, p(z)\, dz", "integral"),
        (r"X \sim N(\mu, \sigma^{2}),\quad \mu \sim N(\tau, \theta^{2})", "prior"),
        (r"p(z \given x) = \frac{p(x \given z)\, p(z)}{p(x)}", "five"),
        (r"q_{\phi}(z \given x) = \N(z \given \mu_{\phi}(x), \sigma_{\phi}^{2}(x) I)", "slips"),
        (r"p(x) = \int p(x, z)\, dz", "integral"),
        (
            r"\log p(x) = \log \int q_{\phi}(z \given x) \frac{p(x \given z)\, p(z)}{q_{\phi}(z \given x)}\, dz",
            "jensen",
        ),
        (r"\log p(x) = \log E_{q_{\phi}(z \given x)}[\frac{p(x \given z)\, p(z)}{q_{\phi}(z \given x)}]", "jensen"),
        (r"\log E[X] \ge E[\log X]", "jensen"),
        (r"\log p(x) \ge E_{q_{\phi}(z \given x)}[\log p(x \given z)] - \KL(q_{\phi}(z \given x)\|p(z))", "identity"),
        (r"\ELBO(x) = E_{q_{\phi}(z \given x)}[\log p(x \given z)] - \KL(q_{\phi}(z \given x)\|p(z))", "identity"),
        (
            r"\KL(q_{\phi}(z \given x)\|p(z \given x)) = E_{q_{\phi}}[\log q_{\phi}(z \given x) - \log p(z \given "
            r"x)] \ge 0",
            "identity",
        ),
        (r"\log p(z \given x) = \log p(x \given z) + \log p(z) - \log p(x)", "identity"),
        (r"\KL = E[\log q_{\phi}] - E[\log p(x \given z)] - E[\log p(z)] + \log p(x)", "identity"),
        (
            r"\log p(x) = E[\log p(x \given z)] - \KL(q_{\phi}(z \given x)\|p(z))",
            "identity",
        ),
        (r"\quad + \KL(q_{\phi}(z \given x)\|p(z \given x))", "identity"),
        (r"\log p(x) \ge \ELBO(x)", "identity"),
        (
            r"\log p(x) = E_{q_{\phi}(z \given x)}[\log p_{\theta}(x \given z)] - \KL(q_{\phi}(z \given x)\|p(z))",
            "identity",
        ),
        (r"\quad + \KL(q_{\phi}(z \given x)\|p(z \given x))", "identity"),
        (r"\KL(q_{\phi}(z \given x)\|p(z))", "kl"),
        (r"\KL(q_{\phi}(z \given x)\|p(z \given x))", "kl"),
        (r"\log p(x) \ge E_{q_{\phi}}[\log p_{\theta}(x \given z)] - \KL(q_{\phi}(z \given x)\|p(z))", "identity"),
        (r"q_{\phi}(z \given x) = p(z \given x)", "identity"),
        (r"\ELBO(x) = \log p(x)", "identity"),
        (r"E_{q_{\phi}}[\log p_{\theta}(x \given z)]", "montecarlo"),
        (r"q_{\phi}(z \given x) = p(z) = \N(0, I)", "slips"),
        (r"\mu_{\phi}(x) = 0,\quad \sigma_{\phi}(x) = 1", "slips"),
        (
            r"\text{ELBO 最大化点} = \text{重构足够好} + \text{latent 结构足够规整}",
            "compromise",
            r"\text{largest ELBO} = \text{good enough reconstruction} + \text{orderly enough latents}",
        ),
        (
            r"E_{q_{\phi}(z \given x)}[\log p_{\theta}(x \given z)] \quad \text{与} \quad "
            r"\KL(q_{\phi}(z \given x)\|p(z))",
            "structure",
            r"E_{q_{\phi}(z \given x)}[\log p_{\theta}(x \given z)] \quad \text{and} \quad "
            r"\KL(q_{\phi}(z \given x)\|p(z))",
        ),
        (r"\theta^{*} = \argmax_{\theta}\, \prod_{i=1}^{N} p(x_{i} \given \theta)", "mle"),
        (r"\max_{\phi, \theta}\, \sum_{i=1}^{N} \ELBO(x_{i})", "mle"),
        (r"p_{\theta}(x \given z) = \N(x \given \mu_{\theta}(z), \sigma_{\theta}^{2} I)", "mean"),
    ),
}
