"""The truth about a run, asked on the command line: both sides of log p(x), the gap, the audit, the diagnosis."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cli.commands import Call, Done
from quick import no_baselines, short_diagnosis
from unveil.api import Run
from unveil.cli import main
from unveil.estimators import hmc

FEW = ("estimator.num_distributions=60", "--num-samples", "8")


@pytest.fixture(scope="module")
def gaussian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose log p(x) is known exactly: linear_gaussian on correlated rows."""
    folder = tmp_path_factory.mktemp("gaussian")
    rng = np.random.default_rng(0)
    np.save(folder / "x.npy", rng.normal(size=(400, 3)) @ rng.normal(size=(3, 6)) + 0.3 * rng.normal(size=(400, 6)))
    path = folder / "run"
    words = ("fit", str(folder / "x.npy"), "--model", "linear_gaussian", "--latent", "2", "--out", str(path))
    with no_baselines():
        assert main(words) == 0
    return path


@pytest.fixture
def asked(gaussian: Path, capfd: pytest.CaptureFixture[str]) -> Call:
    """`unveil VERB RUN WORDS` of the Gaussian run."""

    def called(verb: str, *words: str) -> Done:
        capfd.readouterr()
        code = main((verb, str(gaussian), *words))
        return Done(code, *capfd.readouterr())

    return called


def test_a_sandwich_of_simulated_x_holds_the_exact_value(asked: Call) -> None:
    exact = json.loads(asked("evaluate", "--estimator", "exact", "--simulate", "128", "--json").out)
    both = json.loads(asked("evaluate", "--estimator", "sandwich", "--simulate", "128", *FEW, "--json").out)
    assert exact["split"] == both["split"] == "simulated"
    error = 3 * both["gap_stderr"] + 3 * both["stderr_mc"] + 1e-6
    assert both["lower"] - error <= exact["log_px"] <= both["upper"] + error
    assert both["strict"] == {"lower": True, "upper": True} and both["findings"] == []
    assert both["gap"] == pytest.approx(both["upper"] - both["lower"]) and both["gap_p99"] >= both["gap_median"]
    assert "together with its z" in " ".join(both["words"])


def test_on_real_x_the_upper_side_is_called_heuristic(asked: Call) -> None:
    words = ("evaluate", "--estimator", "sandwich", "estimator.num_distributions=4", *FEW[1:], "--limit", "5")
    done = asked(*words)
    assert done.code == 0 and "heuristic" in done.out and "upper side" in done.out
    result = json.loads(asked(*words, "--json").out)
    assert result["strict"] == {"lower": True, "upper": False} and result["direction"] == "lower"


def test_a_sampler_that_ignores_acceptance_is_flagged(asked: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hmc, "accepts", lambda gain: torch.ones_like(gain, dtype=torch.bool))
    done = asked("evaluate", "--estimator", "sandwich", "--simulate", "128", *FEW)
    assert done.code == 0 and "broken_sampler" in done.out


def test_simulated_x_do_not_depend_on_how_many_are_asked_for(asked: Call) -> None:
    few, more = (
        json.loads(asked("evaluate", "--estimator", "exact", "--simulate", n, "--limit", "40", "--json").out)
        for n in ("40", "300")
    )
    assert few["log_px"] == pytest.approx(more["log_px"], abs=1e-9)


def test_the_gap_of_the_exact_posterior_is_nothing(asked: Call) -> None:
    found = json.loads(asked("evaluate", "--gap", "--limit", "16", "--json").out)
    assert found["format"] == "unveil-gap-1" and found["side"] == "exact"
    assert abs(found["amortisation"]["mean"]) < 0.05 and abs(found["approximation"]["mean"]) < 0.05
    assert found["advice"] in asked("evaluate", "--gap", "--limit", "16").out


def test_the_audit_closes_and_says_so(asked: Call) -> None:
    found = json.loads(asked("evaluate", "--audit", "--limit", "50", "--json").out)
    assert found["format"] == "unveil-audit-1" and found["findings"] == []
    assert "✓" in asked("evaluate", "--audit", "--limit", "50").out


def test_an_audit_without_a_second_route_prints_no_check_mark(call: Call) -> None:
    done = call("evaluate", "run", "--audit", "--limit", "2")
    assert done.code == 0 and "closes by construction" in done.out and "✓" not in done.out


def test_a_diagnosis_is_printed_kept_and_shown(asked: Call, gaussian: Path) -> None:
    with short_diagnosis():
        done, again = asked("diagnose", "--limit", "8"), asked("diagnose", "--limit", "8", "--json")
    assert done.code == 0 and "exact" in done.out and "reverse AIS" in done.out
    kept = Run.load(gaussian).diagnosis
    assert kept is not None and kept["num_examples"] == 8
    assert [finding for finding in kept["findings"] if finding["code"] in ("collapse", "islands")] == []
    assert "How good is it, really" in (gaussian / "report.html").read_text(encoding="utf-8")
    assert json.loads(again.out)["bracket"] == kept["bracket"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("evaluate", "--gap", "--estimator", "ais"), "--estimator cannot be used with --gap"),
        (("evaluate", "--gap", "--audit"), "--audit cannot be used with --gap"),
        (("evaluate", "--simulate", "5", "--data", "x.npy"), "give one of them"),
        (("evaluate", "--simulate", "0"), "--simulate came as '0'"),
        (("evaluate", "--estimator", "ais", "estimator.num_distribution=5"), "estimator.num_distributions"),
        (("evaluate", "--estimator", "ais", "estimator.start=nowhere"), "estimator.start came as 'nowhere'"),
        (("evaluate", "--estimator", "exact", "--num-samples", "5"), "draws no samples"),
        (("diagnose", "--cure", "--sweep", "beta"), "give one of them"),
        (("diagnose", "--steps", "5"), "--steps cannot be used without --cure or --sweep"),
        (("diagnose", "--sweep", "gamma"), "beta"),
    ],
    ids=lambda value: value[1] + "-" + value[-1] if isinstance(value, tuple) else "",
)
def test_a_wrong_request_is_told_in_a_sentence(asked: Call, words: tuple[str, ...], told: str) -> None:
    done = asked(*words)
    assert done.code == 2 and told in done.err and "Traceback" not in done.err
