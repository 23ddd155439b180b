"""How good it is, really: what a diagnosis puts on the page, and what the pictures of densities hold."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser

import unveil
from report.conftest import HOSTILE, fitted
from report.test_report_browser import opened
from report.test_report_page import Seen
from unveil.diagnostics.aggregate import Aggregate
from unveil.diagnostics.bracket import Bracket, Rung
from unveil.diagnostics.collapse import Collapse
from unveil.diagnostics.finding import Finding
from unveil.diagnostics.gap import Gap
from unveil.diagnostics.probes import Probe
from unveil.diagnostics.quality import Fidelity, Quality
from unveil.diagnostics.structure import Near, Structure
from unveil.ops import keyed, log_mean_exp
from unveil.panels import Panel
from unveil.report import densities, evidence_figures
from unveil.report.drawing import every
from unveil.report.exhibits import Group, Plot
from unveil.report.page import page
from unveil.report.rounding import fixed
from unveil.report.sections.evidence import evidence
from unveil.report.subject import Subject
from unveil.report.tightness import where_it_lies
from unveil.runs.store import RunStore

LOWER = (
    Rung("ELBO", "elbo", 64, "lower", -95.4, 0.03),
    Rung("IWAE-10", "iwae", 10, "lower", -94.3, 0.02),
    Rung("AIS", "ais", 16, "lower", -93.61, 0.01),
)
UPPER = Rung("reverse AIS", "sandwich", 16, "upper", -93.52, 0.01, strict=False)
EXACT = Rung("quadrature", "quadrature", None, "exact", -93.57, 0.0)
PARTS = ("bracket", "gap", "aggregate", "collapse", "quality", "structure")


def rows(*rungs: Rung) -> list[dict[str, Any]]:
    return [rung.to_json() for rung in rungs]


def diagnosis(**changes: Any) -> dict[str, Any]:
    """What `unveil diagnose` writes, from the parts' own classes."""
    hits = {"linear": np.ones(3, bool), "knn": np.ones(3, bool)}
    told = {
        name: Probe(value, 0.02, value + 0.03, 0.01, hits) for name, value in (("z", 0.81), ("ppca", 0.6), ("x", 0.95))
    }
    elbo, log_px = torch.tensor([-95.0, -95.2, -95.8, -95.6]), torch.tensor([-93.0, -93.2, -94.2, -93.8])
    local = elbo + torch.tensor([1.0, 1.2, 1.4, 1.2])
    parts = {
        "bracket": Bracket(100, (*LOWER, UPPER), ("The lower side is a bound in expectation.",)),
        "gap": Gap(log_px, "quadrature", "exact", elbo, {"mean_field": local, "full": elbo + 1.4}, "mean_field"),
        "aggregate": Aggregate(
            num_examples=100, rate=4.9, rate_stderr=0.1, information=4.41, information_stderr=0.03, kl=0.49,
            kl_stderr=0.08, cap=math.log(100), capped=True, rising=0.4, kl_per_dim=(0.2,), spread_per_dim=(1.0,),
            auc=0.563, auc_stderr=0.021, holes=0.034, holes_stderr=0.01,
        ),
        "collapse": Collapse(100, -91.2, -130.3, 39.1, 1.1, (39.1,), 4.9, None, None, None, None),
        "quality": Quality(
            Fidelity(0.71, 0.62, 0.83, 0.66), Fidelity(0.91, 0.89, 1.01, 0.95), "5 principal components",
            0.9, 1000, 179, 0.012, 0.51, 0.02, ((1, 2, 0.5),),
        ),
        "structure": Structure(
            2, 100, 50, told, 0.104, {"z": Near(0.93, 0.94), "ppca": Near(0.83, 0.95)}, None, None, None, None
        ),
    }  # fmt: skip
    found = Finding("loose_bound", f"IWAE stays below {HOSTILE[1]}.", 0.7, "Quote ais.")
    head = {"format": "unveil-diagnosis-1", "source": "digits", "split": "test", "num_examples": 100, "seed": 0}
    said = {"findings": [found.to_json()], "why": {}, "seconds": 41.2}
    return {**head, **{name: part.to_json() for name, part in parts.items()}, **said, **changes}


def diagnosed(run: RunStore, out: Path, found: dict[str, Any]) -> RunStore:
    """A copy of a run with a diagnosis and the page that shows it."""
    shutil.copytree(run.path, out)
    (out / "diagnosis.json").write_text(json.dumps(found), encoding="utf-8")
    copy = RunStore.load(out)
    (out / "report.html").write_text(page(copy), encoding="utf-8")
    return copy


def shown(run: RunStore) -> Seen:
    return Seen((run.path / "report.html").read_text(encoding="utf-8"))


def strict_json(text: str) -> Any:
    """JSON without NaN or infinities."""
    return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} in the page's data"))


@pytest.fixture(scope="module")
def one_z(home: Path, vectors: RunStore) -> RunStore:
    return fitted(str(home / "vectors.npz"), home / "one_z", train__steps=3, model__latent=1)


@pytest.fixture(scope="module")
def flow(home: Path, vectors: RunStore) -> RunStore:
    options = {"model__network": "plain", "train__steps": 3, "model__latent": 3, "prior": "realnvp"}
    return fitted(str(home / "vectors.npz"), home / "flow", **options)


@pytest.fixture(scope="module")
def conditioned(home: Path, vectors: RunStore) -> RunStore:
    options = {"train__steps": 3, "model__latent": 2, "model__condition": "label"}
    return fitted(str(home / "vectors.npz"), home / "conditioned", **options)


@pytest.fixture(scope="module")
def plane(home: Path, vectors: RunStore) -> RunStore:
    options = {"model": "linear_gaussian", "model__latent": 2, "train__steps": 3}
    return fitted(str(home / "vectors.npz"), home / "plane", **options)


# -- the section -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "drawn"),
    [
        ("images", {"aggregate"}),
        ("vectors", {"aggregate", *(f"beside_{i}" for i in range(6))}),
        ("mixture", set()),
        ("linear", {"aggregate"}),
        ("one_z", {"aggregate"}),
        ("flow", {"aggregate"}),
        ("conditioned", {"aggregate", *(f"beside_{i}" for i in range(6))}),
    ],
)
def test_without_a_diagnosis_the_pictures_and_the_command(
    which: str, drawn: set[str], request: pytest.FixtureRequest
) -> None:
    run: RunStore = request.getfixturevalue(which)
    seen = shown(run)
    own = ("aggregate", "beside", "bracket", "gap", "rate_split")
    assert {name for name in strict_json(seen.data) if name.startswith(own)} == drawn
    assert f"Run unveil diagnose {run.path} to measure the bracket, the gap, islands and structure." in seen.text
    assert "Findings" not in seen.text and "The diagnosis found" not in seen.text
    assert ("The true posterior beside q" in seen.text) == ("beside_0" in drawn)


def test_a_diagnosis_is_shown_with_its_numbers(images: RunStore, tmp_path: Path) -> None:
    found = diagnosis()
    seen = shown(diagnosed(images, tmp_path / "run", found))
    figures = strict_json(seen.data)
    assert {"bracket", "gap_amortisation", "gap_approximation", "rate_split", "aggregate"} <= figures.keys()
    for said in (
        "Measured on the test split of digits. The bracket and the gap use 100 of its examples. Seed 0, 41 seconds.",
        "between −93.61 ± 0.01 (AIS) from below and −93.52 ± 0.01 (reverse AIS) from above, which is heuristic",
        "0.09 nats apart",
        "log p(x) − ELBO is 1.85 nats: 1.20 ± 0.08 by amortisation and 0.65 ± 0.17 by the family of q (mean-field",
        "With a q fitted to each x alone it is −94.20 (mean-field Gaussian), −94.00 (Gaussian with full covariance).",
        found["gap"]["advice"],
        found["aggregate"]["words"],
        "an AUC of 0.563 ± 0.021",
        "3.4 % of the draws of p(z)",
        found["collapse"]["words"],
        "precision: samples that lie among held-out x 0.710 0.910",
        "label, by a linear probe 0.810 ± 0.020 0.600 ± 0.020 0.950 ± 0.020",
        "continuity: neighbours in x are neighbours in the code 0.940 0.950 –",
        "most frequent label is right for 10.4 % of the examples",
        f"IWAE stays below {' '.join(HOSTILE[1].split())}. Quote ais.",
        "The diagnosis found 1 thing that looks wrong",
    ):
        assert said in seen.text
    assert "Nothing looks wrong in what was measured" not in seen.text and "Left out" not in seen.text


@pytest.mark.parametrize("which", ["images", "mixture"])
def test_parts_that_could_not_be_measured_say_why(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    why = {name: f"{HOSTILE[0]} {name}" for name in PARTS[1:]}
    empty = diagnosis(**dict.fromkeys(PARTS), why=why, findings=[])
    seen = shown(diagnosed(request.getfixturevalue(which), tmp_path / "run", empty))
    assert all(f"Left out: {reason}" in seen.text for reason in why.values())
    assert "Left out: It was not measured." in seen.text
    assert "Nothing looks wrong in what was measured." in seen.text
    assert not [attrs for tag, attrs in seen.tags if tag == "img" and attrs.get("src") == "x"]


def told(run: RunStore, found: dict[str, Any]) -> Subject:
    """A subject whose run has this diagnosis."""

    class Told(RunStore):
        diagnosis = found

    return replace(Subject.of(run), run=Told(run.path, run.config))


def parts_of(subject: Subject) -> tuple[Panel, dict[str, Any]]:
    """The first part of the section, and its figures by name."""
    found = evidence(subject)
    assert isinstance(found, Group)
    return found.parts[0], {panel.name: panel.figure for panel in every(found) if isinstance(panel, Plot)}


@pytest.mark.parametrize(
    ("rungs", "said"),
    [
        (LOWER, "The tightest bound is −93.61 ± 0.01 (AIS), from below. No bound from the other side was found."),
        ((UPPER,), "The tightest bound is −93.52 ± 0.01 (reverse AIS), from above."),
        (
            (*LOWER, UPPER, EXACT),
            "Quadrature gives −93.57 nats. The best bound from below, −93.61 ± 0.01 (AIS), is 0.04",
        ),
        ((*LOWER, replace(UPPER, log_px=-93.63)), "meet within their noise"),
        ((*LOWER, replace(UPPER, log_px=-93.7)), "cross by more than their noise, so one of them is wrong"),
        ((*LOWER, replace(EXACT, log_px=-93.6)), "is equal to it within its noise"),
        ((*LOWER, replace(EXACT, log_px=-93.7)), "is 0.09 nats above it, which is more than its noise"),
        ((replace(LOWER[0], log_px=math.nan), LOWER[1]), "The tightest bound is −94.30 ± 0.02 (IWAE-10)"),
    ],
    ids=["lower", "upper", "exact", "met", "crossed", "level", "above", "missing"],
)
def test_the_bracket_in_words(rungs: tuple[Rung, ...], said: str) -> None:
    rows = Bracket(100, rungs, ()).to_json()["rows"]
    assert said in where_it_lies([row for row in rows if row["log_px"] is not None])


def test_a_bracket_without_a_number_says_so(mixture: RunStore) -> None:
    nothing = Bracket(100, (replace(EXACT, log_px=math.nan),), ()).to_json()
    first, figures = parts_of(told(mixture, diagnosis(bracket=nothing)))
    assert first.words == "No estimator of this model gave a finite number."
    assert "bracket" not in figures


def test_a_bracket_of_a_conditioned_model_is_of_x_given_its_label(conditioned: RunStore) -> None:
    first, figures = parts_of(told(conditioned, diagnosis()))
    assert figures["bracket"]["layout"]["xaxis"]["title"]["text"] == "log p(x|label), nats per example"
    assert first.words.startswith("log p(x|label) is an integral over z")


def test_the_page_with_a_diagnosis_opens_in_silence(browser: Browser, vectors: RunStore, tmp_path: Path) -> None:
    run = diagnosed(vectors, tmp_path / "run", diagnosis())
    watched = opened(browser, run, width=380, dark=True)
    wash = "getComputedStyle(document.querySelector('#plot-bracket .shapelayer path')).fill"
    assert watched.page.evaluate(wash) == "rgb(22, 52, 58)"
    fills = "[...document.querySelectorAll('#plot-beside_0 .contourfill path')].map(e => getComputedStyle(e).fill)"
    assert "rgb(63, 185, 201)" in watched.page.evaluate(fills)
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= 380
    assert watched.said == []
    watched.page.context.close()


def test_nothing_is_promised() -> None:
    word, home = "guarant" + "eed", Path(unveil.__file__).parent
    sources = [
        path for part in ("report", "diagnostics") for path in (home / part).rglob("*.*") if "cache" not in str(path)
    ]
    assert len(sources) > 20
    sources = [path for path in sources if path.suffix != ".gz"]
    assert [path.name for path in sources if word in path.read_text(encoding="utf-8").lower()] == []


# -- figures -----------------------------------------------------------------------------------------------------------


def test_marks_point_to_the_truth_and_the_shade_lies_between() -> None:
    figure = evidence_figures.bracket(rows(*LOWER, replace(UPPER, name=HOSTILE[1])), "log p(x)")
    symbols = [trace["marker"]["symbol"] for trace in figure["data"]]
    assert symbols == ["triangle-right"] * 3 + ["triangle-left-open"]
    (shade,) = figure["layout"]["shapes"]
    assert (shade["x0"], shade["x1"]) == (-93.61, -93.52)
    left, right = figure["layout"]["xaxis"]["range"]
    assert left < -95.4 and right > -93.52
    assert "heuristic" in figure["data"][-1]["y"][0] and "&lt;b&gt;bold" in figure["data"][-1]["y"][0]


@pytest.mark.parametrize(
    ("rungs", "sides"),
    [
        ((*LOWER, UPPER), (-93.61, -93.52)),
        ((*LOWER, UPPER, EXACT), (-93.57, -93.57)),
        (LOWER, (-93.61, None)),
        ((UPPER,), (None, -93.52)),
        ((*LOWER, replace(UPPER, log_px=-93.7)), (-93.7, -93.61)),
    ],
    ids=["both", "exact", "lower", "upper", "crossed"],
)
def test_what_the_truth_is_enclosed_by(rungs: tuple[Rung, ...], sides: tuple[float | None, float | None]) -> None:
    assert evidence_figures.enclosed(rows(*rungs)) == sides


@pytest.mark.parametrize("rungs", [LOWER, (UPPER,), LOWER[:1], (EXACT,)], ids=["lower", "upper", "one", "exact"])
def test_a_bracket_of_one_side_is_drawn_within_its_range(rungs: tuple[Rung, ...]) -> None:
    figure = evidence_figures.bracket(rows(*rungs), "log p(x)")
    json.dumps(figure, allow_nan=False)
    left, right = figure["layout"]["xaxis"]["range"]
    shade = figure["layout"]["shapes"][0]
    assert left <= shade["x0"] <= shade["x1"] <= right and left < right


def test_gaps_are_shares_of_all_examples_with_their_means() -> None:
    values = np.random.default_rng(0).gamma(2, 0.5, (2, 300))
    for figure, each in zip(evidence_figures.gap(*values.tolist()), values, strict=True):
        assert sum(figure["data"][0]["y"]) == pytest.approx(1, abs=1e-3)
        assert figure["layout"]["shapes"][0]["x0"] == pytest.approx(each.mean())
        assert fixed(each.mean()) in figure["layout"]["annotations"][0]["text"]
    first, second = evidence_figures.gap(*values.tolist())
    assert first["layout"]["xaxis"]["range"] == second["layout"]["xaxis"]["range"]
    same, _ = evidence_figures.gap([0.0], [0.0])
    json.dumps(same, allow_nan=False)


def test_the_rate_is_the_sum_of_its_parts_and_the_cap_is_shown_where_it_bites() -> None:
    bitten, free = evidence_figures.rate_split(4.4, 0.5, 4.6), evidence_figures.rate_split(2.0, 0.5, None)
    assert [trace["x"][0] for trace in bitten["data"]] == [4.4, 0.5]
    assert bitten["layout"]["shapes"][0]["x0"] == 4.6 and "shapes" not in free["layout"]
    json.dumps(evidence_figures.rate_split(0.0, -0.01, None), allow_nan=False)


# -- densities ---------------------------------------------------------------------------------------------------------


def gaussian_grid(side: int = 81, half: float = 4.5) -> densities.DensityGrid:
    axis = torch.linspace(-half, half, side, dtype=torch.float64)
    log_p = -0.5 * (axis[None] ** 2 + (axis[:, None] / 0.5) ** 2)
    return densities.DensityGrid(axis, axis, log_p.flatten().log_softmax(0).view(side, side))


def test_contours_hold_their_share_of_the_mass() -> None:
    grid = gaussian_grid()
    heights = evidence_figures._heights(grid)
    for level, share in enumerate(evidence_figures.LEVELS, 1):
        inside = heights >= level
        assert float(grid.log_mass.exp()[inside].sum()) == pytest.approx(share, abs=0.015)
    radius = (grid.x[None] ** 2 + (grid.y[:, None] / 0.5) ** 2)[heights >= 2].max()
    assert float(radius) == pytest.approx(-2 * math.log(0.1), rel=0.06)  # χ² with two degrees of freedom


def test_the_aggregate_of_one_z_lies_beside_the_density_of_the_prior(one_z: RunStore) -> None:
    found = densities.aggregate(Subject.of(one_z))
    assert found is not None and found.titles == ("z",) and found.q.shape[1] == 1
    bars, line = evidence_figures.aggregate(found)["data"]
    assert sum(bars["y"]) == pytest.approx(1, abs=0.02)
    x, y = np.array(line["x"]), np.array(line["y"]) / (bars["x"][1] - bars["x"][0])
    assert np.allclose(y, np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi), atol=0.01)


def test_two_of_many_dimensions_have_contours_where_the_prior_is_a_product(images: RunStore, flow: RunStore) -> None:
    product, joined = (densities.aggregate(Subject.of(run)) for run in (images, flow))
    assert product is not None and product.density is not None and product.num_dims == 5
    axes = torch.meshgrid(product.density.y, product.density.x, indexing="ij")
    log_p = -0.5 * (axes[0] ** 2 + axes[1] ** 2).double()
    assert torch.allclose(product.density.log_mass, log_p.flatten().log_softmax(0).view_as(log_p), atol=1e-3)
    assert [trace["type"] for trace in evidence_figures.aggregate(product)["data"]] == ["contour", "scatter"]
    assert joined is not None and joined.density is None and joined.num_dims == 3
    assert [trace["type"] for trace in evidence_figures.aggregate(joined)["data"]] == ["scatter", "scatter"]


def test_the_two_dimensions_are_those_with_the_largest_rate(images: RunStore) -> None:
    subject = Subject.of(images)
    found = densities.aggregate(subject)
    assert subject.dimensions is not None and subject.dimensions.rate is not None
    rates = subject.dimensions.rate
    expected = sorted(rates.argsort(descending=True)[:2].tolist())
    assert found is not None and found.titles == tuple("z" + "₁₂₃₄₅"[d] for d in expected)


def test_with_the_exact_posterior_both_densities_are_one(plane: RunStore) -> None:
    subject = Subject.of(plane)
    found = densities.beside_the_truth(subject)
    assert [one.place for one in found] == densities.chosen(subject)
    posterior = plane.model.posterior(subject.test.batch(torch.tensor([one.place for one in found])))
    assert posterior.mean is not None
    for one, mean in zip(found, posterior.mean[0], strict=True):
        assert one.kl == pytest.approx(0, abs=1e-4)
        assert torch.allclose(one.true.log_mass.exp(), one.q.log_mass.exp(), atol=1e-6)
        p = one.true.log_mass.exp()
        centre = torch.stack([(p.sum(0) * one.true.x).sum(), (p.sum(1) * one.true.y).sum()])
        assert torch.allclose(centre, mean.to(centre), atol=1e-3)


def test_the_kl_on_the_grid_is_what_the_bound_loses(vectors: RunStore) -> None:
    subject = Subject.of(vectors)
    places = densities.chosen(subject)
    with keyed("test"), torch.no_grad():
        terms = vectors.model.infer(densities._batch(subject, places), 20_000)
    lost = log_mean_exp(terms.log_w.double(), 0) - terms.log_w.double().mean(0)
    for one, loss in zip(densities.beside_the_truth(subject), lost, strict=True):
        assert one.kl == pytest.approx(float(loss), abs=0.05)


def test_the_window_finds_a_posterior_where_q_is_not() -> None:
    with keyed("test"):
        own = 0.1 * torch.randn(256, 1, 2, dtype=torch.float64) - 1
    centre = torch.tensor([2.0, 1.5], dtype=torch.float64)

    def log_true(z: torch.Tensor) -> torch.Tensor:
        return -0.5 * ((z - centre) / 0.3).square().sum(-1)

    everywhere = torch.tensor([[-3.0, -3.0], [3.0, 3.0]], dtype=torch.float64)
    low, high = densities._windows(log_true, own, everywhere, 30)
    assert (low[0] < -1.2).all() and (high[0] > centre + 0.6).all()
    assert torch.allclose(high - low, (high - low).mean())  # a square, so that shapes are true


def test_a_q_too_narrow_for_the_grid_has_no_kl() -> None:
    axes = torch.linspace(-1, 1, 21, dtype=torch.float64).unsqueeze(1).repeat(1, 2)
    z = densities._mesh(axes.unsqueeze(1))[:, 0]

    def log_normal(scale: float) -> torch.Tensor:
        return -0.5 * (z / scale).square().sum(-1) - math.log(2 * math.pi * scale**2) + 2 * math.log(0.1)

    assert densities._beside(0, axes, log_normal(0.2), log_normal(0.01)).kl is None
    assert densities._beside(0, axes, log_normal(0.2), log_normal(0.2)).kl == pytest.approx(0)


def test_one_example_of_each_class_is_chosen_first(vectors: RunStore) -> None:
    subject = Subject.of(vectors)
    assert subject.test.y is not None
    places = densities.chosen(subject)
    assert len(set(places)) == 6 and {int(subject.test.y[place]) for place in places[:3]} == {0, 1, 2}
    assert densities.chosen(replace(subject, test=subject.test.head(2))) == [0, 1]


def test_the_same_run_makes_the_same_pictures(vectors: RunStore) -> None:
    first, second = (json.dumps(parts_of(Subject.of(vectors))[1], sort_keys=True) for _ in range(2))
    assert first == second


def test_decoding_stays_within_its_budget(vectors: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = Subject.of(vectors)
    decoded: list[int] = []
    joint: Callable[..., Any] = type(subject.model).joint

    def counted(model: Any, batch: Any, z: Any) -> Any:
        decoded.append(z[0].shape[0] * z[0].shape[1] * 14)
        return joint(model, batch, z)

    monkeypatch.setattr(densities, "PASS", 14 * 600)
    monkeypatch.setattr(densities, "POSTERIOR_VALUES", 14 * 6 * 2 * 30**2)
    monkeypatch.setattr(type(subject.model), "joint", counted)
    densities.beside_the_truth(subject)
    assert max(decoded) <= 14 * 600 and sum(decoded) <= 14 * 6 * 2 * 30**2
