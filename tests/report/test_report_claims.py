"""What a page says first: claims that hold of what was measured, each with its number, and none without."""

from __future__ import annotations

import re
from typing import Any

import pytest

from unveil.report.claims import GOOD, WRONG, Claims, Known, stated
from unveil.report.page import page
from unveil.runs.store import RunStore

RESULT: dict[str, Any] = {
    "direction": "lower", "estimator": "iwae", "num_samples": 100, "log_px": -90.0, "stderr": 0.5, "stderr_mc": 0.01,
    "num_examples": 1000, "active_units": 8, "rate": 20.0, "bits_per_dim": 0.4, "khat_above_0.7": 0.0, "baselines": [],
}  # fmt: skip
QUALITY = {
    "num_samples": 1000, "num_heldout": 500,
    "samples": {"precision": 0.9, "coverage": 0.92}, "reference": {"precision": 0.95, "coverage": 0.97},
}  # fmt: skip
BRACKET = {"rows": [{"direction": "lower"}, {"direction": "upper"}]}


def baseline(difference: float, stderr: float | None = 0.1, name: str = "pPCA with 5 components") -> dict[str, Any]:
    return {"description": name, "difference": difference, "difference_stderr": stderr, "log_px": -90.0 - difference}


def known(diagnosis: dict[str, Any] | None = None, latents: int | None = 8, **result: Any) -> Claims:
    return stated(Known(RESULT | result, diagnosis or {}, latents, 2, "runs/x"))


def about(said: list[str], start: str) -> str:
    """The one claim that begins so; "" where there is none."""
    found = [one for one in said if one.startswith(start)]
    assert len(found) < 2
    return found[0] if found else ""


def test_each_claim_has_a_number_or_says_that_nothing_is_known() -> None:
    best = known({"quality": QUALITY, "bracket": BRACKET}, baselines=[baseline(9.0)])
    worst = known(latents=20, baselines=[baseline(-9.0), baseline(2.0)], num_examples=50, **{"khat_above_0.7": 0.6})
    for said in (*best.good, *best.wrong, *worst.good, *worst.wrong):
        assert re.search(r"\d", said) or said.startswith("Not known")
    assert len(best.good) == 5 and len(worst.wrong) == 6 and len({*GOOD, *WRONG}) == len(GOOD) + len(WRONG)


@pytest.mark.parametrize(
    ("difference", "stderr", "good", "wrong"),
    [
        (9.0, 0.1, "log p(x) of new x is at least 9.00 ± 0.10 nats higher than with the best simple model, pPCA with 5 "
                   "components", ""),
        (-9.0, 0.1, "", "The bound on log p(x) is lower than what 1 of 1 simple models reach. The best of them, pPCA "
                        "with 5 components, is 9.00 ± 0.10 nats above it."),
        (0.2, 0.1, "", "It is not clearly better than a simple model, pPCA with 5 components: the difference is +0.20"),
        (9.0, None, "", "It is not clearly better"),
    ],
)  # fmt: skip
def test_simple_models_are_beaten_only_clearly(difference: float, stderr: float | None, good: str, wrong: str) -> None:
    said = known(baselines=[baseline(difference, stderr)])
    assert good in about(said.good, "Saying how likely") and bool(good) == bool(about(said.good, "Saying how likely"))
    assert any(one.startswith(wrong) for one in said.wrong)


def test_what_a_simple_model_does_better_is_not_claimed() -> None:
    said = known(baselines=[baseline(-9.0)])
    assert not about(said.good, "Storing") and not about(said.good, "Ranking")
    assert about(known().good, "Storing") == (
        "Storing x in few bits: 0.400 bits per dimension are enough. As written it takes 1.000."
    )


def test_samples_are_good_bad_or_not_judged() -> None:
    assert "90.0 % of its samples lie among held-out x" in about(known({"quality": QUALITY}).good, "Making")
    bad = QUALITY | {"samples": {"precision": 0.3, "coverage": 0.9}}
    said = known({"quality": bad})
    assert not about(said.good, "Making") and "30.0 % of its samples" in about(said.wrong, "Its samples differ")
    few = known({"quality": QUALITY | {"num_heldout": 20}})
    assert not about(few.good, "Making") and not about(few.wrong, "Its samples")


def test_codes_are_worth_something_beyond_guessing() -> None:
    part = {"labels": {"z": {"linear": 0.8, "linear_stderr": 0.02}}, "majority": 0.12}
    assert "80.0 %" in about(known({"structure": part}).good, "A short code")
    assert not about(known({"structure": part | {"majority": 0.78}}).good, "A short code")


def test_a_silent_z_is_said_once() -> None:
    said = known(active_units=2, rate=0.04)
    assert about(said.wrong, "z is hardly used") and not [one for one in said.wrong if "latents hardly" in one]
    assert not about(said.good, "A short description")
    assert "2 of 8 latents change" in about(known(active_units=2).good, "A short description")
    assert "6 of 8 latents hardly change with x." in known(active_units=2).wrong


def test_ranking_needs_an_estimator_that_tells_examples_apart() -> None:
    assert "15.81 nats from one to another, and the estimator errs by 0.32" in about(known().good, "Ranking")
    assert not about(known(stderr_mc=0.3).good, "Ranking")
    assert not about(known(**{"khat_above_0.7": 0.6}).good, "Ranking")
    assert "it is exact" in about(known(direction="exact", stderr_mc=None).good, "Ranking")


def test_a_bound_is_not_known_to_be_tight_until_the_other_side_was_found() -> None:
    assert about(known().wrong, "Not known: how far −90.00 nats")
    assert not about(known({"bracket": BRACKET}).wrong, "Not known: how far")
    assert not about(known(direction="exact").wrong, "Not known: how far")
    assert about(known().wrong, "Not known yet").endswith("unveil diagnose runs/x")


def test_rows_that_are_told_apart_are_named() -> None:
    rows = [["told from real rows, AUC", "0.912 ± 0.010", "0.500", "near 0.5"]]
    assert "AUC of 0.912 ± 0.010" in about(known({"synthetic": {"rows": rows}}).wrong, "Synthetic rows")
    rows[0][1] = "0.560 ± 0.010"
    assert not about(known({"synthetic": {"rows": rows}}).wrong, "Synthetic rows")


def test_the_page_says_them_above_the_number(images: RunStore) -> None:
    html = page(images)
    assert (
        html.index("What it is good for") < html.index("What is wrong, or not known") < html.index('class="headline"')
    )


def test_a_bound_is_no_value_and_a_value_is_one() -> None:
    exact = known(direction="exact", stderr_mc=None, baselines=[baseline(9.0)])
    assert "log p(x) of new x is 9.00" in about(exact.good, "Saying how likely")
    worse = known(direction="exact", stderr_mc=None, baselines=[baseline(-9.0)])
    assert about(worse.wrong, "1 of 1 simple models explain x better.")
    both = known(baselines=[baseline(9.0) | {"direction": "lower"}])
    assert "log p(x) of new x is 9.00" in about(both.good, "Saying how likely")


def test_of_a_model_that_is_given_labels_it_is_log_p_of_x_alone() -> None:
    part = {"quantity": "log p(x)", "log_px": -100.0, "stderr": 0.6, "stderr_mc": 0.02, "direction": "lower"}
    said = known(condition="label", parts=[part])
    assert "−100.00 nats" in about(said.wrong, "Not known: how far")
    assert f"{0.4 * 100 / 90:.3f} bits" in about(said.good, "Storing")
    assert "18.97 nats" in about(said.good, "Ranking examples by log p(x):")


def test_where_gaps_are_modelled_the_quantity_has_the_mask() -> None:
    said = known(gaps="informative", baselines=[baseline(9.0)])
    assert "log p(x, mask) of new x is at least" in about(said.good, "Saying how likely")


def test_hardly_any_draws_that_count_are_no_ground_for_ranking() -> None:
    said = known(ess=1.1, num_samples=10)
    assert not about(said.good, "Ranking") and about(said.wrong, "Only 1.1 of 10 draws")
    assert about(known(ess=40.0).good, "Ranking")
