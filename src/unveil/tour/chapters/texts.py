"""z as text, and why the names of things cannot be exchanged."""

import functools

import numpy as np
import torch

from ...data import Data, load_data
from ...models.vae import VAE
from ..fits import HANZI, WORDS, labels_of, pictures, q_of, short_fit, steps_of, whole
from ..words import Chapter, Code, Command, Formula, Pictures, Text, holds, say


def exchanged() -> None:
    import numpy as np

    cat, mouse = [1.0, 0.0], [0.0, 1.0]  # how they look
    looks = np.array([cat, mouse, cat, mouse])  # pictures 1, 2, and both sides of 3
    names = {"right": [0, 1, 0, 1], "exchanged in 1, 2": [1, 0, 0, 1], "in all": [1, 0, 1, 0]}
    for name, words in names.items():
        for seen in (2, 4):  # the first two pictures, or all three
            z = np.eye(2)[words[:seen]]
            decoder = np.linalg.lstsq(z, looks[:seen], rcond=None)[0]
            error = ((z @ decoder - looks[:seen]) ** 2).sum()
            print(f"{name:18} {(seen + 2) // 2} pictures: squared error {error:.2f}")


def known_z() -> None:
    import torch

    from unveil.tour.chapters.texts import told, vectors
    from unveil.tour.fits import WORDS, labels_of, q_of, short_fit

    data = told()  # digits, each with the vector of its word as z
    model = short_fit(data, steps=300, latent=4)
    x = data.test.batch(torch.arange(3))
    q = q_of(model, x)
    log_q = torch.stack([q.log_prob(v.expand(3, 4)) for v in vectors()])
    print("said :", [WORDS[i] for i in log_q.argmax(0)])
    print("truth:", [WORDS[i] for i in labels_of(data.test)[:3]])


@functools.cache
def vectors() -> torch.Tensor:
    """A vector for each of the ten words, [10, 4], drawn once from the prior."""
    return torch.as_tensor(np.random.default_rng(0).normal(size=(10, 4)), dtype=torch.float32)


@functools.cache
def told() -> Data:
    """The digits, where z is the vector of the digit's word."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return load_data((found.images > 7).astype(np.uint8), y=found.target, z=vectors()[found.target].numpy())


def chapter(share: float) -> Chapter:
    data, steps = told(), steps_of(500, share)
    model = short_fit(data, steps, latent=4)
    hits = _hits(model, data)
    holds(hits > 0.5, "most test pictures are described rightly")
    with torch.no_grad():
        painted = model.decode((vectors(),)).mean
        ends = torch.stack([vectors()[3] + t * (vectors()[8] - vectors()[3]) for t in torch.linspace(0, 1, 10)])
        between = model.decode((ends,)).mean
    errors = _errors()
    holds(all(two < 1e-9 for two, _ in errors.values()), "two pictures do not care about the names")
    holds(errors["some"][1] > 0.1 and errors["all"][1] < 1e-9, "the third picture does, unless all names are exchanged")
    values = {"hits": 100 * hits, "steps": steps, "error": errors["some"][1], "chance": 10.0}
    return Chapter(
        "text",
        Text("z as text", "把 z 看作文字"),
        [
            say(
                "Think of $z$ as the text of a picture. Then $p(x\\given z)$ paints, $p(z\\given x)$ describes, and "
                "the prior $p(z)$ says which texts occur. A text becomes a vector of $k$ numbers, and the normal "
                "prior lives in that space. In $q(z\\given x) = \\N(z; \\mu, \\sigma^{2})$, μ is what the text says "
                "and σ how vaguely it says it.",
                "把 $z$ 想成一张图的文字。$p(x\\given z)$ 是作画，$p(z\\given x)$ 是描述，先验 $p(z)$ 说明哪些文字会"
                "出现。文字变成 $k$ 个数的向量，正态先验就住在这个空间里。在 $q(z\\given x) = \\N(z; \\mu, "
                "\\sigma^{2})$ 中，μ 是文字的意思，σ 是说得有多含糊。",
            ),
            Formula(r"q_{\phi}(z\given x) = \N(z; \mu_{\phi}(x), \operatorname{diag}(\sigma_{\phi}^{2}(x)))"),
            say(
                "Here this is really done: each of ten words has a vector of four numbers, and a digit's $z$ is "
                "the vector of its word. After [[steps]] steps the model describes [[hits:.0f]] % of test digits "
                "with the right word (chance is [[chance:.0f]] %).",
                "这里真的这样做：十个词各有一个四维向量，一张数字图片的 $z$ 就是它的词向量。训练 [[steps]] 步之后，模型"
                "对 [[hits:.0f]] % 的测试图片说出了正确的词（瞎猜是 [[chance:.0f]] %）。",
            ),
            say(
                "The lines below are a smaller version: they train for 300 steps, and describe only the first three "
                "test digits.",
                "下面几行是简化版：只训练 300 步，也只描述前三张测试图片。",
            ),
            Code(known_z),
            Pictures(
                Text(
                    "Above: the mean picture E[x|z] at the vector of each word. Below: on the way from “three” to "
                    "“eight”.",
                    "上：每个词向量处的平均图片 E[x|z]。下：从“三”到“八”的路上。",
                ),
                [
                    (
                        Text("word to picture", "由词到图"),
                        pictures(painted, model),
                        [f"{w} {h}" for w, h in zip(WORDS, HANZI, strict=True)],
                    ),
                    (Text("between words", "词与词之间"), pictures(between, model), []),
                ],
            ),
            say(
                "Could the names be exchanged, so that “cat” means a mouse? With two pictures, one of each, nobody "
                "would notice. A third picture, a cat that chases a mouse, shows it. One decoder must read all "
                "texts, so the same word must mean the same thing everywhere.",
                "名字能不能对调，让“猫”指老鼠？只有两张图、各画一只时，没人会发现。第三张图“猫抓老鼠”就会露馅：同一个"
                "解码器要读懂所有文字，所以同一个词在各处必须是同一个意思。",
            ),
            Code(exchanged),
            say(
                "With the names exchanged in some pictures the error is at least [[error:.2f]], whatever the decoder: "
                "that is the least-squares minimum. If they are exchanged in all pictures, it is 0 again: what is "
                "learned is the structure, not the sound of the words.",
                "只在部分图片里对调时，无论用怎样的解码器，误差都不小于 [[error:.2f]]，这是最小二乘能达到的最小值。如果"
                "在所有图片里都对调，误差又回到 0：学到的是结构，而不是词的读音。",
            ),
            Command(
                "unveil fit photos/ --model vae --text captions.csv data.z=text",
                Text(
                    "With pictures and texts of your own, whose table holds a vector for each text:",
                    "用你自己的图片和文字（表中每段文字带一个向量）：",
                ),
            ),
        ],
        values,
    )


@torch.no_grad()
def _hits(model: VAE, data: Data) -> float:
    """The share of test digits whose likeliest word under q(z|x) is right."""
    x = whole(data.test)
    q = q_of(model, x)
    log_q = torch.stack([q.log_prob(v.expand(len(x), 4)) for v in vectors()])
    return float((log_q.argmax(0) == labels_of(data.test)).double().mean())


def _errors() -> dict[str, tuple[float, float]]:
    """The best squared error of two pictures and of three, as `exchanged` prints them."""
    looks = np.array([[1.0, 0], [0, 1], [1, 0], [0, 1]])

    def error(words: list[int]) -> float:
        z = np.eye(2)[words]
        return float(((z @ np.linalg.lstsq(z, looks[: len(z)], rcond=None)[0] - looks[: len(z)]) ** 2).sum())

    named = {"right": [0, 1, 0, 1], "some": [1, 0, 0, 1], "all": [1, 0, 1, 0]}
    return {name: (error(words[:2]), error(words)) for name, words in named.items()}
