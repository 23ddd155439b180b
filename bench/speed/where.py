"""Where the time of a training step goes: operators and compiled kernels by kind, from torch's profiler."""

from __future__ import annotations

from typing import Any

import torch
import torch._inductor.config as inductor
from torch.profiler import ProfilerActivity, profile

from .ours import Ours
from .serve import serve

KINDS = {  # the first that fits
    "matrix products": ("mm", "linear", "mkldnn", "conv", "matmul", "gemm"),
    "optimiser, average, clipping": ("adam", "foreach", "lerp", "linalg_vector_norm", "total_norm", "clamp"),
    "batch: rows, binarization, noise": ("index_select", "random_", "randn", "normal_", "aten::gt", "randperm", "rand"),
    "compiled elementwise kernels": ("cpp_fused", "graph_", "kernel"),
}
STEPS = 30


class Where(Ours):
    """A round profiles some steps.

    Arguments: job, as for training.
    """

    def __init__(self, job: dict[str, Any]) -> None:
        inductor.cpp.enable_kernel_profile = True
        super().__init__(job)

    def round(self) -> dict[str, Any]:
        next(self.steps)
        with profile(activities=[ProfilerActivity.CPU]) as found:
            for _ in range(self.job["steps"]):
                next(self.steps)
        events = [(e.key, e.self_cpu_time_total, e.count) for e in found.key_averages() if e.self_cpu_time_total > 0]
        total = sum(time for _, time, _ in events)
        kinds: dict[str, float] = {}
        for key, time, _ in events:
            kinds[kind_of(key)] = kinds.get(kind_of(key), 0.0) + time / total
        largest = sorted(events, key=lambda e: -e[1])[:15]
        return {
            "milliseconds_per_step": total / self.job["steps"] / 1000,
            "kinds": kinds,
            "largest": [{"name": k[:80], "share": t / total, "calls": n / self.job["steps"]} for k, t, n in largest],
        }


def kind_of(name: str) -> str:
    lower = name.lower()
    for kind, words in KINDS.items():
        if any(word in lower for word in words):
            return kind
    return "everything else"


if __name__ == "__main__":
    torch.set_grad_enabled(True)
    serve(Where)
