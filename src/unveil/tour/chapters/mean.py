"""What the decoder's mean is, and what it is not."""

import torch

from ...ops import keyed
from ..figures import Axis, Dots, Figure, Line
from ..fits import digits, digits_vae, pictures, q_of, steps_of, whole
from ..words import Chapter, Code, Formula, Pictures, Plot, Text, holds, say


def centre() -> None:
    import torch
    from torch.distributions import Normal

    torch.manual_seed(0)
    mu, sigma = torch.linspace(0, 1, 64), 0.1  # what a decoder says at one z, of 64 pixels
    p = Normal(mu, sigma)
    draws = p.sample((100_000,))
    far, log_p = (draws - mu).square().sum(1).sqrt(), p.log_prob(draws).sum(1)
    print(f"from the mean to the average of the draws: {(draws.mean(0) - mu).norm():.4f}")
    print(f"to a draw: {far.mean():.4f} on average, to the nearest {far.min():.4f}")
    print(f"log p(x|z) at the mean: {p.log_prob(mu).sum():.2f}")
    print(f"of a draw: {log_p.mean():.2f} on average, at most {log_p.max():.2f}")


def chapter(share: float) -> Chapter:
    model, data = digits_vae(steps_of(600, share)), digits()
    with keyed("tour mean"), torch.no_grad():
        z = model.sample(1)[1][0]
        mean = model.decode((z,)).mean
        draws = model.decode((z.expand(500, -1),)).sample()
        some = whole(data.test)
        own = model.decode((q_of(model, some).mean,)).mean
        grid = torch.linspace(0.0, 1.0, 101)
        errors = torch.stack([((draws - (mean + (g - 0.5))) ** 2).sum((-1, -2)).mean() for g in grid])
        to_draws = float(((draws - mean) ** 2).sum((-1, -2)).mean())
        between = float(((draws[:250] - draws[250:]) ** 2).sum((-1, -2)).mean())
        error = float(((some.x - own) ** 2).mean())
        rounded = float(((some.x - (own > 0.5).float()) ** 2).mean())
    best = float(grid[errors.argmin()] - 0.5)
    holds(abs(best) < 0.03, "no shifted picture is nearer to the draws than the mean")
    holds(to_draws < between, "the mean is nearer to a draw than another draw is")
    holds(error < rounded, "the mean has a smaller squared error than a black-and-white picture")
    values = {"to": to_draws, "between": between, "error": error, "rounded": rounded}
    figure = Figure(
        Axis(Text("grey added to the mean picture", "给平均图加的灰度"), -0.5, 0.5),
        Axis(Text("mean squared distance", "平均平方距离"), 0, float(errors.max()) * 1.02),
        [Line((grid - 0.5).numpy(), errors.numpy(), 0), Dots([best], [float(errors.min())], 1, size=5)],
        200,
    )
    return Chapter(
        "mean",
        Text("The decoder's mean is the picture in the middle", "解码器的均值是正中间的那张图"),
        [
            say(
                "The decoder is usually a normal distribution (for black-and-white pixels a Bernoulli) whose mean "
                "$\\mu_{\\theta}(z)$ is the network's answer. Given the text $z$, that mean is the picture in the "
                "middle of all that $z$ may look like.",
                "解码器通常是正态分布（黑白像素则是伯努利分布），均值 $\\mu_{\\theta}(z)$ 就是网络的输出。给定文字 "
                "$z$，这个均值就是 $z$ 可能的所有样子正中间的那张图。",
            ),
            Formula(r"p_{\theta}(x\given z) = \N(x \given \mu_{\theta}(z), \sigma_{\theta}^{2} I)"),
            Code(centre),
            say(
                "Of a normal distribution the mean is also the likeliest point. But it is no draw. In many dimensions "
                "every draw lies away from the mean, near the distance $\\sigma \\sqrt{d}$, and is far less likely "
                "than the mean. And the mean is smoother than anything the model would draw. Below, a mean and "
                "draws at the same $z$.",
                "对正态分布来说，均值也是最可能的点。但它不是样本。维数一高，每个样本都离开均值约 $\\sigma \\sqrt{d}$，"
                "密度远低于均值处。均值也比模型抽出的任何一张图都平滑。下面是同一个 $z$ 的均值和样本。",
            ),
            Pictures(
                Text(
                    "The first picture is E[x|z]; the others are draws of p(x|z) at the same z.",
                    "第一张是 E[x|z]，其余是同一个 z 下从 p(x|z) 抽的样本。",
                ),
                [(Text("mean, then draws", "均值，然后是样本"), pictures([mean[0], *draws[:9]], model), [])],
            ),
            Plot(
                Text(
                    "No shift of the mean picture brings it nearer to the draws: the mean has the least squared error.",
                    "把平均图整体调亮或调暗，都不会更接近样本：均值的平方误差最小。",
                ),
                [figure],
            ),
            say(
                "The mean is [[to:.1f]] away from a draw in squared distance, and two draws are [[between:.1f]] "
                "apart. Whoever is judged by squared error should answer with a mean, which is why it looks blurred: "
                "on test digits the mean has an error of [[error:.3f]] per pixel, a picture rounded to black and "
                "white [[rounded:.3f]].",
                "均值到样本的平方距离是 [[to:.1f]]，两个样本之间是 [[between:.1f]]。按平方误差评判，就该回答均值，所"
                "以它看起来模糊：在测试数字上，均值的误差是每像素 [[error:.3f]]，取整成黑白的图是 [[rounded:.3f]]。",
            ),
            say(
                "`unveil sample` paints means; with `--draw` it adds the noise that the likelihood states.",
                "`unveil sample` 画的是均值；加上 `--draw` 就按似然加上噪声。",
            ),
        ],
        values,
    )
