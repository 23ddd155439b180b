"""The measurement's page says what the measurement says; nothing here is timed."""

from __future__ import annotations

import copy
import importlib
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from unveil import load_data
from unveil.batch import Batch
from unveil.ops import keyed

ROOT = Path(__file__).parents[1]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that imports a module of bench/."""
    monkeypatch.syspath_prepend(str(ROOT / "bench"))

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    yield load
    for name in [n for n in sys.modules if n == "speed" or n.startswith("speed.") or n in ("likelihood", "families")]:
        del sys.modules[name]


def contender(images: list[float], loss: float = 100.0, **facts: Any) -> dict[str, Any]:
    rounds = [{"seconds": 2.0, "images": 2 * i} for i in images]
    return {"facts": facts, "rounds": rounds, "loss": loss, "peak_gib": 0.5}


def judge(seconds: float, log_px: float) -> dict[str, Any]:
    return {"facts": {}, "rounds": [{"seconds": seconds, "decodes": 10_000, "log_px": log_px, "stderr_mc": 0.01}]}


@pytest.fixture
def found() -> dict[str, Any]:
    """A small measurement: unveil at 30,000 images a second, the bare loop at 31,000, pythae at 10,000 and 12,000."""
    cell = {
        "network": "mlp", "batch": 512, "images": 55_000, "epochs": 3, "flops_per_image": 7_208_000,
        "ceiling": {"rounds": [{"float32": 200.0, "bf16": 400.0}, {"float32": 210.0, "bf16": 432.48}]},
        "contenders": {
            "unveil": contender([29_000, 30_000, 34_000], precision="bf16", compile=True),
            "bare loop": contender([31_000] * 3, precision="bf16", compile=True),
            "pythae, 0 workers": contender([12_000] * 3, loss=100.5),
            "pythae, 4 workers": contender([10_000] * 3),
        },
    }  # fmt: skip
    return {
        "format": "unveil-bench-1", "date": "2026-01-02", "command": "python bench/side_by_side.py", "quick": False,
        "seconds": 600.0, "pythae": {"version": "0.1.2", "torch": "2.13.0"}, "missing": [],
        "machine": {"name": "m-2c-avx2", "cpu": "M", "cores": 2, "isa": "avx2", "memory_gib": 8.0, "threads": 2},
        "versions": {"python": "3.11", "unveil": "0.1.0", "torch": "2.13.0", "numpy": "2.4"},
        "idle": {"calibration_gflops": 100.0, "drifted": [], "busy": [], "rounds": [{}] * 12},
        "parts": {
            "training": {"cells": [cell]},
            "likelihood": {
                "images": 10, "samples": 1000,
                "contenders": {"unveil": judge(1.0, -90.0), "pythae, 100 draws a pass": judge(4.0, -90.02)},
            },
        },
    }  # fmt: skip


def test_the_page_gives_medians_ratios_and_shares_of_the_ceiling(bench: Any, found: dict[str, Any]) -> None:
    page = bench("speed.page").page(found)
    row = next(line for line in page.splitlines() if line.startswith("| unveil (bf16, compiled) |"))
    share = 30_000 * 7_208_000 / 432.48e9
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "unveil (bf16, compiled)", "30,000", "29,000 … 34,000", "2.50×", f"{share:.0%}", "100.00", "0.50 GiB",
    ]  # fmt: skip
    assert "| mlp, batch 512: of the bare loop | ≥ 0.95 | 0.968 | reached |" in page
    assert "| mlp, batch 512: of pythae | ≥ 2.9 | 2.5 | **missed** |" in page  # of the faster of the two
    assert "| likelihood, unveil: of get_nll | ≥ 3.5 | 4 | reached |" in page
    assert "The values agree within their errors." in page
    assert "none was disturbed" in page and "did not learn the same" not in page


def test_losses_and_estimates_that_differ_are_said(bench: Any, found: dict[str, Any]) -> None:
    found["parts"]["training"]["cells"][0]["contenders"]["bare loop"]["loss"] = 103.0
    found["parts"]["likelihood"]["contenders"]["pythae, 100 draws a pass"] = judge(4.0, -91.0)
    page = bench("speed.page").page(found)
    assert "**The losses are 3.0% apart" in page
    assert "differs from unveil by -1.000 nats" in page


def test_a_missing_peer_is_named(bench: Any, found: dict[str, Any], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.delenv("UNVEIL_PYTHAE", raising=False)
    python, told = bench("speed.machine").peer_of(None, tmp_path)
    assert python is None
    found |= {"pythae": told, "missing": [f"pythae: {told['why']}."]}
    contenders = found["parts"]["training"]["cells"][0]["contenders"]
    for name in [n for n in contenders if n.startswith("pythae")]:
        del contenders[name]
    del found["parts"]["likelihood"]["contenders"]["pythae, 100 draws a pass"]
    page = bench("speed.page").page(found)
    assert "pythae left out: it is not installed: `make bench-peers` does that" in page
    assert "- pythae: it is not installed" in page
    assert "of pythae | ≥" not in page and "The values agree" not in page


def test_a_contender_that_failed_is_named_and_the_others_stay(bench: Any, found: dict[str, Any]) -> None:
    found["parts"]["training"]["cells"][0]["contenders"]["bare loop"] = {"failed": "it ended with status 1"}
    page = bench("speed.page").page(found)
    assert "| bare loop | failed: it ended with status 1 |" in page
    assert "of the bare loop" not in page and "| unveil (bf16, compiled) | 30,000 |" in page


def test_disturbed_rounds_are_counted(bench: Any, found: dict[str, Any]) -> None:
    looks = [{"round": str(i), "gflops": 100.0, "busy_cores": 0.0} for i in range(9)]
    looks += [
        {"round": "slow", "gflops": 80.0, "busy_cores": 0.0},
        {"round": "beside", "gflops": 99.0, "busy_cores": 1.0},
    ]
    found["idle"] = bench("speed.conversation").summary(looks)
    assert found["idle"]["drifted"] == ["slow"] and found["idle"]["busy"] == ["beside"]
    assert "**The machine was not idle**" in bench("speed.page").page(found)


def test_the_exponent_of_a_power_law_and_of_a_constant(bench: Any) -> None:
    exponent = bench("speed.growing").exponent
    assert exponent([10, 100, 1000], [0.3, 3.0, 30.0]) == pytest.approx(1.0)
    assert exponent([2, 8, 32], [5.0, 10.0, 20.0]) == pytest.approx(0.5)
    assert exponent([10, 100], [7.0, 7.0]) == pytest.approx(0.0)


def entry(**more: Any) -> dict[str, Any]:
    return {
        "source": "mnist", "minutes": 2.0, "seed": 0, "estimator": "iwae-5000", "wall_seconds": 118.0, "steps": 4000,
        "model": "vae, mlp", "log_px": -84.0, "stderr": 0.2,
    } | more  # fmt: skip


def test_a_rung_that_is_measured_again_replaces_its_own_entry(
    bench: Any, found: dict[str, Any], tmp_path: Path
) -> None:
    keep, path, picture = bench("likelihood").keep, tmp_path / "likelihood-m.json", tmp_path / "m.svg"
    keep(path, "m", entry(), picture)
    keep(path, "m", entry(minutes=10.0, log_px=-81.5), picture)
    kept = keep(path, "m", entry(log_px=-83.0), picture)
    assert [(e["minutes"], e["log_px"]) for e in kept["entries"].values()] == [(2.0, -83.0), (10.0, -81.5)]
    ladders = bench("speed.page").ladders(tmp_path)
    assert ladders == [kept]
    page = bench("speed.page").page(found, ladders)
    assert "| mnist | 2 | 2.0 | 4,000 | vae, mlp | -83.00 ± 0.20 | – | iwae-5000 | -82.9 |" in page
    assert "-84.00" not in page and "m.svg" in page
    assert ">-83.00</text>" in picture.read_text() and ">-81.50</text>" in picture.read_text()


def test_another_model_is_a_curve_of_its_own_on_the_scale_of_its_data(
    bench: Any, found: dict[str, Any], tmp_path: Path
) -> None:
    keep, path, picture = bench("likelihood").keep, tmp_path / "likelihood-m.json", tmp_path / "m.svg"
    keep(path, "m", entry(binarization="dynamic"), picture)
    keep(path, "m", entry(binarization="dynamic", series="mnist, hvae", log_px=-83.0), picture)
    grey = {"series": "mnist, vdm", "log_px": -900.0, "binarization": None, "bits_per_dim": 1.656}
    kept = keep(path, "m", entry(**grey), picture)
    assert len(kept["entries"]) == 3
    page = bench("speed.page").page(found, bench("speed.page").ladders(tmp_path))
    assert "| mnist, hvae | 2 |" in page and "| -900.00 ± 0.20 | 1.656 |" in page
    drawn = picture.read_text()
    assert drawn.count("<polyline") == 3 and drawn.count("<circle") == 3
    heights = [line.split('cy="')[1].split('"')[0] for line in drawn.splitlines() if "<circle" in line]
    assert heights[0] == heights[2] != heights[1]  # the worst of each kind of data is at the bottom


def test_the_same_processor_has_the_same_name(bench: Any) -> None:
    named = bench("speed.machine").name_of
    assert named("AMD EPYC", 2, "avx512_bf16") == "amd-epyc-2c-avx512_bf16"
    assert (
        named("Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz", 2, "amx_bf16") == "intel-xeon-platinum-8481c-2c-amx_bf16"
    )


def test_the_operations_of_a_step_are_those_of_the_layers(bench: Any) -> None:
    nets = bench("speed.nets")
    layers = [m for m in nets.Networks("mlp").modules() if type(m).__name__ == "Linear"]
    weights = sum(m.weight.numel() for m in layers)
    assert nets.flops_per_image("mlp") == 6 * weights - 2 * 784 * 500


def test_the_page_of_a_measurement_is_made_again_from_its_file_alone(bench: Any, found: dict[str, Any]) -> None:
    before = copy.deepcopy(found)
    make = bench("speed.page").page
    assert make(found) == make(before) and found == before


def test_the_chinese_page_has_every_heading_and_number_and_no_english_sentence(bench: Any) -> None:
    english, chinese = (ROOT / "docs" / language / "measurements" / "performance.md" for language in ("en", "zh"))
    told, put = (path.read_text(encoding="utf-8") for path in (english, chinese))
    assert bench("speed.chinese").chinese(told) == put
    blocks = list(zip(told.split("\n\n"), put.split("\n\n"), strict=True))
    for one, other in blocks:
        assert one.startswith("#") == other.startswith("#") and one.count("|") == other.count("|")
        assert sorted(re.findall(r"\d[\d,.]*\d", one)) == sorted(re.findall(r"\d[\d,.]*\d", other))
        assert one != other or "|" in one, one


@pytest.mark.parametrize("name", ["hvae", "vdm", "vqvae"])
def test_a_bare_loop_of_a_family_has_the_loss_of_the_library(bench: Any, name: str) -> None:
    families = bench("families")
    data = load_data("digits", binarization="none" if name in families.GREY else "threshold")
    with keyed("bare"):
        model = families.built(name, data)
        batch = Batch(data.train.x[:512].float())
        with torch.no_grad():
            bare = float(families.BARE[name](model, batch.x))
            terms = model.infer(batch)
    if name == "vqvae":  # the prior's share is a constant there
        own = float((terms.distortion + terms.penalties["commitment"]).mean())
    else:
        own = -float(terms.elbo.mean())
    assert bare == pytest.approx(own, rel=0.05)
