"""What a measurement was made on and with."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
import torch

FASTEST_FIRST = ("amx_bf16", "avx512_bf16", "avx512f", "avx2")
PACKAGES = ("unveil", "torch", "numpy")
PEER_VERSION = (
    "import json, pythae, torch; from importlib.metadata import version; "
    "print(json.dumps([version('pythae'), torch.__version__]))"
)


def machine(threads: int) -> dict[str, Any]:
    """CPU, cores, the widest instructions, memory, accelerator."""
    cpu, flags = processor()
    isa = next((name for name in FASTEST_FIRST if name in flags), platform.machine())
    cores = psutil.cpu_count() or 1
    return {
        "name": name_of(cpu, cores, isa),
        "cpu": cpu,
        "cores": cores,
        "threads": threads,
        "isa": isa,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.platform(),
        "affinity": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
    }


def name_of(cpu: str, cores: int, isa: str) -> str:
    """ "amd-epyc-2c-avx512_bf16": the same machine, the same file."""
    model = re.sub(r"\((r|tm)\)|\bcpu\b|\bprocessor\b|@.*", " ", cpu.lower())
    return f"{re.sub(r'[^a-z0-9]+', '-', model).strip('-')}-{cores}c-{isa}"


def processor() -> tuple[str, set[str]]:
    """The CPU's name and its flags, where the system tells them."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return platform.processor() or platform.machine(), set()
    told = dict(re.findall(r"^(model name|flags)\s*: (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE))
    return told.get("model name", platform.machine()), set(told.get("flags", "").split())


def versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES}


def peer_of(asked: str | None, folder: Path) -> tuple[str | None, dict[str, Any]]:
    """(python of pythae's environment or None, what is said of it)."""
    own = folder / ".venv-peers" / "bin" / "python"
    found = asked or os.environ.get("UNVEIL_PYTHAE") or (str(own) if own.is_file() else None)
    if found is None:
        return None, {"why": "it is not installed: `make bench-peers` does that"}
    try:
        told = subprocess.run([found, "-c", PEER_VERSION], capture_output=True, text=True, check=True, cwd=folder)
    except (OSError, subprocess.CalledProcessError) as error:
        last = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1]
        return None, {"why": f"its environment does not run ({last})"}
    version, with_torch = json.loads(told.stdout.strip().splitlines()[-1])
    return found, {"version": version, "torch": with_torch}
