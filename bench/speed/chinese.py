"""The page of a measurement in Chinese: the same numbers in the same order, with the words of page.py put over."""

from __future__ import annotations

import re

NUMBER = r"([\d.,]+)"

HEADINGS = {
    "Performance": "性能",
    "Training": "训练",
    "Training without AMX, AVX-512 and bf16 instructions, as on a laptop": (
        "没有 AMX、AVX-512 和 bf16 指令时的训练（如在笔记本电脑上）"
    ),
    "Training on the accelerator": "在加速器上的训练",
    "Likelihood": "似然",
    "From the prompt to a fitted model": "从敲下命令到得到模型",
    "Growth": "开销如何增长",
    "Where a step's time goes": "一步的时间花在哪里",
    "Aims and what was reached": "目标与结果",
    "What is missing": "缺了什么",
    "Whether the machine was idle": "机器当时是否空闲",
}

SENTENCES = (
    (
        r"Written by `(.+?)` from one measurement of (\d+) minutes on (\S+): (.+), (\d+) cores, widest "
        r"instructions (\S+), "
        r"(\d+) GiB, (\d+) threads? for each contender; (.+?); (.+)\. Raw timings: `(.+?)`\.",
        r"本页由 `\1` 根据 \3 的一次测量写成，测量历时 \2 分钟。机器：\4，\5 核，最宽指令集 \6，内存 \7 GiB，"
        r"每个参赛者用 \8 个线程；"
        r"\9；\10。原始计时：`\11`。",
    ),
    (
        r"Every contender is a fresh process;.+",
        "每个参赛者都是一个新进程；各轮轮流进行（A B A B），数字取各轮的中位数。",
    ),
    (
        r"\*\*A quick run: .+",
        "**这是一次快速运行：它只说明测量程序能工作，其中的数字没有意义。**",
    ),
    (
        r"Images per second over whole epochs of binarised MNIST;.+",
        "在二值化 MNIST 上跑完整轮次，每秒处理的图像数；所有参赛者的层、初始权重、批大小和学习率（10⁻³，Adam，"
        "恒定）都相同。"
        "**unveil** 是本库为一次十分钟的运行自己选定的做法：用自己的训练循环和自己的整流函数（值相同），"
        "权重平均、打乱、"
        "动态二值化、梯度裁剪和有限性检查全部打开；**裸循环**是一个 PyTorch 循环，用 bf16 autocast、"
        "编译过的损失和融合的 AdamW，"
        "有打乱和动态二值化，其余都没有；**pythae** 用它自己的训练器，没有评估集，也不保存，图像事先二值化"
        "（它没有动态二值化）。*份额*以矩阵乘法的上限为准：只做一步中的那些矩阵乘法，"
        "在同样的轮次里以该参赛者的精度测得；"
        "运算量按每个权重每次使用 6 次计，减去第一层对输入的梯度。*损失*是计时的那些轮次之后，2,000 "
        "张留出图像的负 ELBO。",
    ),
    (
        rf"Epochs of {NUMBER} images, (\d+) of them\. Matrix ceiling: (\d+) GFLOP/s in float32, (\d+) in bf16\.",
        r"每轮 \1 张图像，共 \2 轮。矩阵乘法的上限：float32 为 \3 GFLOP/s，bf16 为 \4。",
    ),
    (rf"Epochs of {NUMBER} images, (\d+) of them\. ?", r"每轮 \1 张图像，共 \2 轮。"),
    (
        r"\*\*The losses are (\S+) apart, more than (\S+): these contenders did not learn the same\.\*\*",
        r"**损失相差 \1，超过 \2：这些参赛者学到的并不相同。**",
    ),
    (
        r"The same with `(.+?)`, the MLP at batch 512 alone\.",
        r"同上，但设 `\1`，只测批大小 512 的 MLP。",
    ),
    (
        rf"IWAE-(\d+) on {NUMBER} test images .+",
        r"在 \2 张测试图像（一次固定的二值化）上，用同一组 MLP 权重，分别由本库和 pythae 的 `get_nll` 计算 "
        r"IWAE-\1。两者都是对采样的 z "
        r"取 p(x, z)/q(z|x) 的均值再取对数，然后对图像平均；`get_nll` 每抽一次就重新编码 x，而且一次只处理一张图像。"
        r"误差是图像固定时抽样的误差。",
    ),
    (r"The values agree within their errors\.", "两者的值在误差范围内一致。"),
    (
        r"\*\*(.+) differs from unveil by (\S+) nats, more than four errors\.\*\*",
        r"**\1 与 unveil 相差 \2 nats，超过误差的四倍。**",
    ),
    (
        rf"`(.+?)`: {NUMBER} s from the prompt to the report, peak memory {NUMBER} GiB; log p\(x\) (\S+) ± "
        rf"{NUMBER} nats\.",
        r"`\1`：从敲下命令到得到报告 \2 秒，峰值内存 \3 GiB；log p(x) 为 \4 ± \5 纳特。",
    ),
    (
        r"The exponent a of cost ∝ size\^a is fitted by least squares in the logarithms\.",
        "开销 ∝ 规模^a，指数 a 由对数上的最小二乘拟合得到。",
    ),
    (
        r"unveil at its own choices, by torch's profiler, which slows small steps\.",
        "unveil 用它自己选定的设置，由 torch 的性能分析器测得；分析器会拖慢很小的步。",
    ),
    (
        r"`unveil fit SOURCE --minutes M` with these options, .+",
        "先 `unveil fit SOURCE --minutes M` 加上所列选项，再按“评判”一列做 `unveil evaluate`，由 "
        "`bench/likelihood.py` 完成。"
        "目标是在两个带 AMX 的核上针对动态二值化 MNIST 定的；在 Fashion-MNIST 上没有做过任何调整。",
    ),
    (r"!\[Test log p\(x\) against minutes\]\((.+)\)", r"![测试集 log p(x) 随分钟数的变化](\1)"),
    (
        r"Before each of (\d+) rounds a product of matrices \((\d+) GFLOP/s\) and the load were noted: none "
        r"was disturbed\.",
        r"每轮（共 \1 轮）之前都记录一次矩阵乘法的速度（\2 GFLOP/s）和负载：没有一轮受到干扰。",
    ),
    (
        r"Before each of (\d+) rounds a product of matrices \((\d+) GFLOP/s\) and the load were noted\. .+ before "
        r"(\d+) rounds, and others computed before (\d+)\.",
        r"每轮（共 \1 轮）之前都记录一次矩阵乘法的速度（\2 GFLOP/s）和负载。**机器当时并不空闲**：有 \3 "
        r"轮之前该速度偏离超过 15 %，"
        r"有 \4 轮之前别的程序在计算。",
    ),
    (r"(.+): failed: (.+)\.", r"\1：失败：\2。"),
    (r"Not measured: (.+)\.", r"没有测量：\1。"),
)

SUBHEADINGS = (
    (
        r"convolutional, (.+) channels, (.+) kernels of stride 2, mirrored; batch (\d+)",
        r"卷积网络，通道 \1，卷积核 \2、步幅 2，解码器镜像；批大小 \3",
    ),
    (r"MLP (.+), (\d+) latents, (.+); batch (\d+)", r"MLP \1，\2 个隐变量，\3；批大小 \4"),
    (r"(.+), batch (\d+): (\S+) ms a step", r"\1，批大小 \2：每步 \3 毫秒"),
    (r"Likelihood per minute, (.+)", r"每分钟换来的似然，\1"),
)

CELLS = (
    (r"images/s", "图像/秒"),
    (r"slowest … fastest round", "最慢 … 最快一轮"),
    (r"of pythae", "相对 pythae"),
    (r"of its ceiling", "占其上限"),
    (r"loss", "损失"),
    (r"peak memory", "峰值内存"),
    (r"unveil \((\w+), compiled\)", r"unveil（\1，已编译）"),
    (r"unveil \((\w+)\)", r"unveil（\1）"),
    (r"bare loop", "裸循环"),
    (r"bare loop, float32 eager", "裸循环，float32 不编译"),
    (r"unveil, float32 eager", "unveil，float32 不编译"),
    (r"unveil, bf16 networks", "unveil，bf16 网络"),
    (r"pythae, (\d+) workers?", r"pythae，\1 个工作进程"),
    (r"pythae, (\d+) draws a pass", r"pythae，每次 \1 个抽样"),
    (r"failed: (.+)", r"失败：\1"),
    (r"decodes/s", "解码次数/秒"),
    (r"seconds", "秒"),
    (r"of get_nll", "相对 get_nll"),
    (r"size: cost", "规模: 开销"),
    (r"exponent", "指数"),
    (r"claimed", "声称"),
    (r"0, constant", "0，不变"),
    (r"epoch against examples, s", "一轮的时间随样本数，秒"),
    (r"epoch against latents, s", "一轮的时间随隐变量数，秒"),
    (r"evaluation against K, s", "评估的时间随 K，秒"),
    (r"evaluation against K, GiB", "评估的内存随 K，GiB"),
    (r"share", "份额"),
    (r"matrix products", "矩阵乘法"),
    (r"compiled elementwise kernels", "编译出的逐元素内核"),
    (r"everything else", "其余一切"),
    (r"batch: rows, binarization, noise", "取批：取行、二值化、噪声"),
    (r"optimiser, average, clipping", "优化器、权重平均、裁剪"),
    (r"largest items", "最大的几项"),
    (r"calls a step", "每步调用次数"),
    (r"aim", "目标"),
    (r"here", "这里"),
    (r"reached", "达到"),
    (r"\*\*missed\*\*", "**未达到**"),
    (r"(mlp|conv), batch (\d+): of the bare loop", r"\1，批大小 \2：相对裸循环"),
    (r"(mlp|conv), batch (\d+): of pythae", r"\1，批大小 \2：相对 pythae"),
    (r"likelihood, unveil: of get_nll", "似然，unveil：相对 get_nll"),
    (r"likelihood, unveil, bf16 networks: of get_nll", "似然，unveil，bf16 网络：相对 get_nll"),
    (r"epoch against examples \(s\): exponent", "一轮的时间随样本数（秒）：指数"),
    (r"evaluation against K \(GiB\): exponent", "评估的内存随 K（GiB）：指数"),
    (r"data and options", "数据与选项"),
    (r"minutes asked", "要求的分钟数"),
    (r"minutes taken", "实际的分钟数"),
    (r"steps", "步数"),
    (r"model", "模型"),
    (r"log p\(x\), test", "log p(x)，测试集"),
    (r"log p\(x\), nats", "log p(x)，纳特"),
    (r"bits/dim", "比特/维"),
    (r"by", "评判"),
    (r"(iwae-\d+) on all, (iwae-\d+) − (iwae-\d+) on the first (\d+)", r"全部用 \1，前 \4 张再加 \2 − \3"),
)


def chinese(page: str) -> str:
    """The page that page.py has written, in Chinese; a sentence that is not in the lists stays in English."""
    return "\n\n".join(_block(block) for block in page.rstrip("\n").split("\n\n")) + "\n"


def _block(block: str) -> str:
    if block.startswith("|"):
        return "\n".join(_row(line) for line in block.splitlines())
    if block.startswith("#"):
        marks, _, words = block.partition(" ")
        return f"{marks} {HEADINGS.get(words) or _put(words, SUBHEADINGS)}"
    return _put(block, SENTENCES)


def _row(line: str) -> str:
    return "|".join(f" {_put(cell.strip(), CELLS)} " if cell.strip() else cell for cell in line.split("|"))


def _put(words: str, list_of: tuple[tuple[str, str], ...]) -> str:
    """By the first pattern that is the whole of it."""
    for pattern, chinese in list_of:
        if found := re.fullmatch(pattern, words, re.DOTALL):
            return re.sub(r"\\(\d+)", lambda place: found[int(place[1])], chinese)
    return words
