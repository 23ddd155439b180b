"""measurements/performance.md of the documentation: from a measurement and the ladders beside it, from nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from .growing import exponent

SAME = 0.01  # of the loss, within which contenders have learned the same
TARGETS = {("mlp", 128): 1.6, ("mlp", 512): 2.9, ("mlp", 2048): 5.2}  # against pythae; convolutional: 2 at any batch
OF_BARE, CONV, JUDGING, JUDGING_BF16, LINEAR = 0.95, 2.0, 3.5, 10.0, 0.05
NETWORKS = {
    "mlp": "MLP 784-500-500, 32 latents, 500-500-784",
    "conv": "convolutional, 32-64-64 channels, 4×4 kernels of stride 2, mirrored",
}
LADDER_TARGETS = {2: -82.9, 10: -81.0, 30: -79.5, 120: -78.8}  # dynamic MNIST, two cores with AMX
Json = Mapping[str, Any]


def page(found: Json, likelihoods: Sequence[Json] = (), charts: str = "") -> str:
    """The whole page in Markdown; its charts lie in the folder `charts`, which ends in a slash where it is named."""
    parts = found["parts"]
    sections = [_head(found)]
    for name, section in SECTIONS.items():
        if name in parts:
            sections += section(parts[name])
    sections += _targets(parts)
    sections += [line for ladder in likelihoods for line in _ladder(ladder, charts)]
    sections += _missing(found) + _idle(found["idle"])
    return "\n\n".join(sections) + "\n"


def ladders(folder: Path) -> list[dict[str, Any]]:
    """The files that bench/likelihood.py has written into a folder."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("likelihood-*.json"))]


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


# -- head -------------------------------------------------------------------------------------------------------------


def _head(found: Json) -> str:
    on, with_ = found["machine"], found["versions"]
    told = found["pythae"]
    peer = (
        f"pythae {told['version']} (torch {told['torch']})" if "version" in told else f"pythae left out: {told['why']}"
    )
    quick = (
        "**A quick run: it shows that the measurement works. Its numbers mean nothing.**\n\n" if found["quick"] else ""
    )
    return (
        f"# Performance\n\n{quick}Written by `{found['command']}` from one measurement of {found['seconds'] / 60:.0f} "
        f"minutes on {found['date']}: {on['cpu']}, {on['cores']} cores, widest instructions {on['isa']}, "
        f"{on['memory_gib']:.0f} GiB, {on['threads']} thread{'s' * (on['threads'] != 1)} for each contender; "
        f"Python {with_['python']}, torch {with_['torch']}, numpy {with_['numpy']}; {peer}. Raw timings: "
        f"`bench/results/{on['name']}.json`.\n\n"
        "Every contender is a fresh process; they take rounds in turn (A B A B), and figures are medians over rounds."
    )


# -- training ---------------------------------------------------------------------------------------------------------


def speed(contender: Json) -> float | None:
    """Images a second, the median over rounds."""
    if "failed" in contender or not contender["rounds"]:
        return None
    return median(r["images"] / r["seconds"] for r in contender["rounds"])


def fastest_peer(cell: Json) -> float | None:
    """Of all ways in which pythae ran."""
    found = [speed(c) for name, c in cell["contenders"].items() if name.startswith("pythae")]
    return max((f for f in found if f is not None), default=None)


def ceiling(cell: Json) -> dict[str, float]:
    """GFLOP/s by precision: the largest over rounds."""
    rounds = cell["ceiling"].get("rounds", [])
    return {name: max(r[name] for r in rounds) for name in ("float32", "bf16")} if rounds else {}


def losses_apart(cell: Json) -> float | None:
    """How far the losses of a cell are apart, relative to the smallest."""
    found = [c["loss"] for c in cell["contenders"].values() if "loss" in c]
    return max(found) / min(found) - 1 if len(found) > 1 else None


def _training(part: Json, title: str = "Training") -> list[str]:
    return [
        f"## {title}",
        "Images per second over whole epochs of binarised MNIST; the same layers, initial weights, batch and learning "
        "rate (10⁻³, Adam, constant) for all. **unveil** is what the library resolves by itself for a run of ten "
        "minutes, through its own loop and with its own rectifier (the same values), with averaged weights, shuffling, "
        "dynamic binarization, clipping and finite checks on; "
        "the **bare loop** is a PyTorch loop with bf16 autocast, a compiled loss and the fused AdamW, shuffling and "
        "dynamic binarization and none of the rest; **pythae** trains by its own trainer, without evaluation set or "
        "saving, on images binarised in advance (it has no dynamic binarization). *Share* is of the matrix ceiling: "
        "the products of one step alone, measured in the same rounds at the contender's precision; operations are 6 "
        "per weight and use, less the first layer's input gradient. *Loss* is the negative ELBO of 2,000 held-out "
        "images after the epochs that were timed.",
        *(line for cell in part["cells"] for line in _cell(cell)),
    ]


def _cell(cell: Json) -> list[str]:
    peer, top = fastest_peer(cell), ceiling(cell)
    rows = [_row(name, c, cell, peer, top) for name, c in cell["contenders"].items()]
    head = ("", "images/s", "slowest … fastest round", "of pythae", "of its ceiling", "loss", "peak memory")
    apart = losses_apart(cell)
    lines = [
        f"### {NETWORKS[cell['network']]}; batch {cell['batch']}",
        table(head, rows),
        f"Epochs of {cell['images']:,} images, {cell['epochs']} of them. "
        + (f"Matrix ceiling: {top['float32']:.0f} GFLOP/s in float32, {top['bf16']:.0f} in bf16." if top else ""),
    ]
    if apart is not None and apart > SAME:
        lines.append(
            f"**The losses are {apart:.1%} apart, more than {SAME:.0%}: these contenders did not learn the same.**"
        )
    return lines


def _row(name: str, contender: Json, cell: Json, peer: float | None, top: Mapping[str, float]) -> list[str]:
    rate = speed(contender)
    if rate is None:
        return [name, f"failed: {contender.get('failed', 'no round')}", *["–"] * 5]
    rates = [r["images"] / r["seconds"] for r in contender["rounds"]]
    facts = contender["facts"]
    precision = facts.get("precision", "float32")
    how = f" ({precision}{', compiled' if facts.get('compile') else ''})" if name == "unveil" else ""
    share = f"{rate * cell['flops_per_image'] / 1e9 / top[precision]:.0%}" if top else "–"
    loss, memory = contender.get("loss"), contender.get("peak_gib")
    return [
        name + how,
        f"{rate:,.0f}",
        f"{min(rates):,.0f} … {max(rates):,.0f}",
        f"{rate / peer:.2f}×" if peer else "–",
        share,
        "–" if loss is None else f"{loss:.2f}",
        "–" if memory is None else f"{memory:.2f} GiB",
    ]


def _laptop(part: Json) -> list[str]:
    named = " ".join(f"{k}={v}" for k, v in part["environment"].items())
    first, _, *rest = _training(part, "Training without AMX, AVX-512 and bf16 instructions, as on a laptop")
    return [first, f"The same with `{named}`, the MLP at batch 512 alone.", *rest]


def _cuda(part: Json) -> list[str]:
    return _training(part, "Training on the accelerator")


# -- likelihood -------------------------------------------------------------------------------------------------------


def decodes(contender: Json) -> float | None:
    """Passes of one z through the decoder a second, the median over rounds."""
    if "failed" in contender or not contender["rounds"]:
        return None
    return median(r["decodes"] / r["seconds"] for r in contender["rounds"])


def judged(contender: Json) -> tuple[float, float]:
    """The mean over rounds and the Monte Carlo error of it: what the estimator says, or the rounds' own spread."""
    values = [r["log_px"] for r in contender["rounds"]]
    mean = sum(values) / len(values)
    spread = (sum((v - mean) ** 2 for v in values) / max(1, len(values) - 1)) ** 0.5
    own = max((r.get("stderr_mc") or 0.0) for r in contender["rounds"])
    return mean, max(own, spread) / len(values) ** 0.5


def fastest_judge(part: Json) -> tuple[str, float] | None:
    found = {n: decodes(c) for n, c in part["contenders"].items() if n.startswith("pythae")}
    known = {n: v for n, v in found.items() if v is not None}
    return max(known.items(), key=lambda item: item[1]) if known else None


def _likelihood(part: Json) -> list[str]:
    if "failed" in part:
        return ["## Likelihood", f"Not measured: {part['failed']}."]
    peer = fastest_judge(part)
    rows = []
    for name, contender in part["contenders"].items():
        rate = decodes(contender)
        if rate is None:
            rows.append([name, f"failed: {contender.get('failed', 'no round')}", "–", "–", "–"])
            continue
        value, error = judged(contender)
        seconds = median(r["seconds"] for r in contender["rounds"])
        rows.append(
            [
                name,
                f"{rate:,.0f}",
                f"{seconds:.1f}",
                f"{rate / peer[1]:.2f}×" if peer else "–",
                f"{value:.3f} ± {error:.3f}",
            ]
        )
    return [
        "## Likelihood",
        f"IWAE-{part['samples']} on {part['images']:,} test images (one fixed binarization), by the library and by "
        "pythae's `get_nll` on the same weights of the MLP. Both are log of the mean of p(x, z)/q(z|x) over sampled z, "
        "averaged over images; `get_nll` encodes x again for every draw and takes one image at a time. Errors are of "
        "the draws, with the images fixed.",
        table(("", "decodes/s", "seconds", "of get_nll", "log p(x), nats"), rows),
        *_disagreements(part),
    ]


def _disagreements(part: Json) -> list[str]:
    mine = part["contenders"]["unveil"]
    if decodes(mine) is None or fastest_judge(part) is None:
        return []
    value, error = judged(mine)
    told = []
    for name, other in part["contenders"].items():
        if not name.startswith("pythae") or decodes(other) is None:
            continue
        theirs, its = judged(other)
        if abs(theirs - value) > 4 * (error**2 + its**2) ** 0.5:
            told.append(f"**{name} differs from unveil by {theirs - value:.3f} nats, more than four errors.**")
    return told or ["The values agree within their errors."]


# -- digits, growth, profile ------------------------------------------------------------------------------------------


def _digits(part: Json) -> list[str]:
    if "failed" in part:
        return ["## From the prompt to a fitted model", f"Not measured: {part['failed']}."]
    return [
        "## From the prompt to a fitted model",
        f"`{part['command']}`: {part['seconds']:.1f} s from the prompt to the report, peak memory "
        f"{part['peak_gib']:.2f} GiB; log p(x) {part['result']['log_px']:.2f} ± {part['result']['stderr']:.2f} nats.",
    ]


def _growth(part: Json) -> list[str]:
    lines = ["## Growth", "The exponent a of cost ∝ size^a is fitted by least squares in the logarithms."]
    rows = []
    for title, sizes, costs, unit, claim in _series(part):
        if costs is None:
            rows.append([title, "failed", "–", claim])
            continue
        told = ", ".join(f"{s:,}: {c:.3g}" for s, c in zip(sizes, costs, strict=True))
        rows.append([f"{title}, {unit}", told, f"{exponent(sizes, costs):.3f}", claim])
    return [*lines, table(("", "size: cost", "exponent", "claimed"), rows)]


def _series(part: Json) -> list[tuple[str, list[int], list[float] | None, str, str]]:
    examples, latents, samples = part["examples"], part["latents"], part["samples"]
    return [
        ("epoch against examples", examples["at"], _epochs(examples), "s", "1.0 ± 0.05"),
        ("epoch against latents", latents["at"], _each(latents, "seconds"), "s", "–"),
        ("evaluation against K", samples["at"], _each(samples, "seconds"), "s", "–"),
        ("evaluation against K", samples["at"], _each(samples, "peak_gib"), "GiB", "0, constant"),
    ]


def _epochs(part: Json) -> list[float] | None:
    rounds = part["found"].get("rounds")
    if "failed" in part["found"] or not rounds:
        return None
    return [median(r["seconds"][str(n)] for r in rounds) for n in part["at"]]


def _each(part: Json, what: str) -> list[float] | None:
    found = [part["found"][str(n)] for n in part["at"]]
    if any("failed" in f or not f["rounds"] for f in found):
        return None
    return [f[what] if what in f else median(r[what] for r in f["rounds"]) for f in found]


def _profile(part: Json) -> list[str]:
    lines = ["## Where a step's time goes", "unveil at its own choices, by torch's profiler, which slows small steps."]
    for name, contender in part.items():
        if "failed" in contender or not contender["rounds"]:
            lines.append(f"{name}: failed: {contender.get('failed', 'no round')}.")
            continue
        found = contender["rounds"][0]
        kinds = sorted(found["kinds"].items(), key=lambda item: -item[1])
        lines += [
            f"### {name}: {found['milliseconds_per_step']:.2f} ms a step",
            table(("", "share"), [[kind, f"{share:.0%}"] for kind, share in kinds]),
            table(
                ("largest items", "share", "calls a step"),
                [
                    [f"`{i['name'].replace('|', '¦')}`", f"{i['share']:.1%}", f"{i['calls']:.1f}"]
                    for i in found["largest"][:8]
                ],
            ),
        ]
    return lines


# -- targets, ladder, what is missing ---------------------------------------------------------------------------------


def _targets(parts: Json) -> list[str]:
    rows = [*_training_targets(parts.get("training")), *_judging_targets(parts.get("likelihood"))]
    rows += _growth_targets(parts.get("growth"))
    if not rows:
        return []
    told = [[what, f"{goal}", f"{reached:.3g}", "reached" if ok else "**missed**"] for what, goal, reached, ok in rows]
    return ["## Aims and what was reached", table(("", "aim", "here", ""), told)]


Target = tuple[str, str, float, bool]


def _training_targets(part: Json | None) -> list[Target]:
    rows: list[Target] = []
    for cell in () if part is None else part["cells"]:
        name, found = f"{cell['network']}, batch {cell['batch']}", cell["contenders"]
        rate, bare, peer = speed(found["unveil"]), speed(found["bare loop"]), fastest_peer(cell)
        aim = TARGETS.get((cell["network"], cell["batch"]), CONV)
        if rate and bare:
            rows.append((f"{name}: of the bare loop", f"≥ {OF_BARE}", rate / bare, rate / bare >= OF_BARE))
        if rate and peer:
            rows.append((f"{name}: of pythae", f"≥ {aim}", rate / peer, rate / peer >= aim))
    return rows


def _judging_targets(part: Json | None) -> list[Target]:
    peer = None if part is None or "failed" in part else fastest_judge(part)
    if part is None or peer is None:
        return []
    rows: list[Target] = []
    for name, aim in (("unveil", JUDGING), ("unveil, bf16 networks", JUDGING_BF16)):
        rate = decodes(part["contenders"][name]) if name in part["contenders"] else None
        if rate:
            rows.append((f"likelihood, {name}: of get_nll", f"≥ {aim}", rate / peer[1], rate / peer[1] >= aim))
    return rows


def _growth_targets(part: Json | None) -> list[Target]:
    if part is None:
        return []
    rows: list[Target] = []
    for title, sizes, costs, unit, claim in _series(part):
        if costs is not None and claim != "–":
            a, aim = exponent(sizes, costs), 1.0 if claim.startswith("1") else 0.0
            rows.append((f"{title} ({unit}): exponent", f"{aim} ± {LINEAR}", a, abs(a - aim) <= LINEAR))
    return rows


def _ladder(ladder: Json, charts: str) -> list[str]:
    rows = [
        [
            e.get("series", e["source"]), f"{e['minutes']:g}", f"{e['wall_seconds'] / 60:.1f}", f"{e['steps']:,}",
            e["model"], f"{e['log_px']:.2f} ± {e['stderr']:.2f}", bits(e), e["estimator"],
            f"{LADDER_TARGETS[e['minutes']]}" if e["source"] == e.get("series", "mnist") == "mnist"
            and e["minutes"] in LADDER_TARGETS else "–",
        ]
        for e in sorted(ladder["entries"].values(), key=in_order)
    ]  # fmt: skip
    head = ("data and options", "minutes asked", "minutes taken", "steps", "model", "log p(x), test", "bits/dim", "by",
            "aim")  # fmt: skip
    return [
        f"## Likelihood per minute, {ladder['machine']}",
        '`unveil fit SOURCE --minutes M` with these options, then `unveil evaluate` as the column "by" says, by '
        "`bench/likelihood.py`. The aims are of dynamic MNIST on two cores with AMX; nothing was tuned on "
        "Fashion-MNIST.",
        table(head, rows),
        f"![Test log p(x) against minutes]({charts}{ladder['chart']})",
    ]


def in_order(entry: Json) -> tuple[bool, str, float]:
    return entry["source"] != "mnist", entry.get("series", entry["source"]), entry["minutes"]


def bits(entry: Json) -> str:
    """Bits per dimension, where x has more than two levels."""
    return "–" if entry.get("bits_per_dim") is None or entry.get("binarization") else f"{entry['bits_per_dim']:.3f}"


def _missing(found: Json) -> list[str]:
    if not found["missing"]:
        return []
    return ["## What is missing", "\n".join(f"- {line}" for line in found["missing"])]


def _idle(idle: Json) -> list[str]:
    rounds, drifted, busy = len(idle["rounds"]), idle["drifted"], idle["busy"]
    line = (
        f"Before each of {rounds} rounds a product of matrices ({idle['calibration_gflops']:.0f} GFLOP/s) and the load"
    )
    if not drifted and not busy:
        return ["## Whether the machine was idle", f"{line} were noted: none was disturbed."]
    told = f"{line} were noted. **The machine was not idle**: the product drifted by more than 15 % before "
    return ["## Whether the machine was idle", f"{told}{len(drifted)} rounds, and others computed before {len(busy)}."]


SECTIONS: dict[str, Callable[[Json], list[str]]] = {
    "training": _training,
    "laptop": _laptop,
    "cuda": _cuda,
    "likelihood": _likelihood,
    "digits": _digits,
    "growth": _growth,
    "profile": _profile,
}
