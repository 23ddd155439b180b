"""The page: what it shows, whose numbers it prints, and that names from data stay text."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from report.conftest import HOSTILE, fitted
from unveil.errors import RequestError
from unveil.estimators.base import evaluate
from unveil.fitting.prepare import prepare
from unveil.report import write_report
from unveil.report.notebook import run_card
from unveil.report.page import content_policy, error, fixed, page
from unveil.report.sections.extremes import ends
from unveil.report.subject import Subject
from unveil.runs.curves import kept_step
from unveil.runs.store import RunStore
from unveil.settings.judging import make_estimator


class Seen(HTMLParser):
    """Tags with their attributes, the text, and the content of the data script."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.kept: dict[str | None, str] = {}  # what scripts of data hold, by their id
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = {"script": dict(attrs).get("type") or "script", "style": "style"}.get(tag, "")
        self._id = dict(attrs).get("id")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "application/json":
            self.kept[self._id] = self.kept.get(self._id, "") + data
        elif not self._inside:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    @property
    def sections(self) -> list[str | None]:
        return [attrs.get("id") for tag, attrs in self.tags if tag in ("header", "section")]

    @property
    def data(self) -> str:
        return self.kept["page-data"]

    @property
    def page_data(self) -> Any:
        return json.loads(self.data)


def seen(run: RunStore) -> Seen:
    return Seen((run.path / "report.html").read_text(encoding="utf-8"))


def test_a_fit_writes_every_section_of_images_in_order(images: RunStore) -> None:
    first = "result explorer baselines training samples reconstructions one-z paths rates extremes"
    assert seen(images).sections == f"{first} evidence picture made".split()


def test_vectors_get_columns_in_the_place_of_galleries(vectors: RunStore) -> None:
    shown = seen(vectors)
    assert shown.sections == [
        "result",
        "explorer",
        "training",
        "columns",
        "reconstructions",
        "rates",
        "extremes",
        "evidence",
        "picture",
        "made",
    ]
    figures = shown.page_data
    assert sum(name.startswith("column_") for name in figures) == 12
    assert sum(name.startswith("pair_") for name in figures) == 3 and "explained" in figures
    assert not [tag for tag, _ in shown.tags if tag == "img"]
    assert "The first 12 of 14 columns" in shown.text


def test_a_mixture_shows_its_components(mixture: RunStore) -> None:
    shown = seen(mixture)
    assert shown.sections == [
        "result",
        "training",
        "samples",
        "reconstructions",
        "one-z",
        "own",
        "extremes",
        "evidence",
        "picture",
        "made",
    ]
    assert "z is one of 4 components" in shown.text
    shares = shown.page_data["own_0"]["data"][0]["y"]
    assert len(shares) == 4 and sum(shares) == pytest.approx(100, abs=0.1) and shares == sorted(shares, reverse=True)


def test_a_linear_gaussian_model_has_variances_and_no_rates_of_its_coupled_dimensions(linear: RunStore) -> None:
    shown = seen(linear)
    assert "explorer" in shown.sections and "rates" in shown.sections
    assert "variances" in shown.page_data and "rates" not in shown.page_data


@pytest.mark.parametrize("which", ["images", "vectors", "mixture", "linear"])
def test_printed_numbers_are_those_of_the_result(which: str, request: pytest.FixtureRequest) -> None:
    run: RunStore = request.getfixturevalue(which)
    text, result = seen(run).text, run.result
    assert f"log p(x) {'=' if result['direction'] == 'exact' else '≥'} {fixed(result['log_px'])} nats" in text
    assert f"± {error(result['stderr'])} over examples" in text
    if result["direction"] != "exact":
        assert f"± {error(result['stderr_mc'])} of the estimator" in text
        assert f"K = {result['num_samples']} samples" in text
    for name in ("elbo", "rate", "distortion"):
        assert f"{name.replace('elbo', 'ELBO')} {fixed(result[name])}" in text
    for sentence in result["sentences"]:  # "nothing looks wrong" is not said below what is wrong, or not known
        assert (sentence in text) == (not sentence.startswith("Nothing looks wrong"))
    if result["bits_per_dim"] is not None:
        assert f"bits per dimension {fixed(result['bits_per_dim'], 3)}" in text
    if result["active_units"] is not None:
        assert f"active units {result['active_units']} of" in text
    for baseline in result["baselines"]:
        assert f"{fixed(baseline['difference'])} ± {error(baseline['difference_stderr'])}" in text
        assert f"{baseline['size']} of {len(baseline['tried'])} tried {fixed(baseline['log_px'])}" in text
    assert run.data_info["sha256"] in text


def test_rounding_is_one_way() -> None:
    assert [fixed(v) for v in (-94.386, 1234.5, None, 0.0)] == ["−94.39", "1,234.50", "–", "0.00"]
    assert fixed(2.12766, 3) == "2.128"
    assert [error(v) for v in (0.0049, 0.005, 0.0, None)] == ["< 0.01", fixed(0.005), "0.00", "–"]


def test_bars_of_dimensions_add_up_to_the_rate_and_to_the_active_units(images: RunStore) -> None:
    figures, result = seen(images).page_data, images.result
    (rates,), (variances,) = figures["rates"]["data"], figures["variances"]["data"]
    assert sum(rates["y"]) == pytest.approx(result["rate"], rel=1e-2)
    assert rates["y"] == sorted(rates["y"], reverse=True)
    assert sum(v > 0.01 for v in variances["y"]) == result["active_units"]
    assert rates["marker"]["color"].count("@accent") == result["active_units"]


def test_one_file_of_at_most_8_mb_that_names_no_other(images: RunStore) -> None:
    html = (images.path / "report.html").read_text(encoding="utf-8")
    assert len(html.encode()) <= 8_000_000
    shown = Seen(html)
    policy = next(attrs["content"] for _, attrs in shown.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data:"
    assert set(rules) == {"default-src", "script-src", "style-src", "img-src", "base-uri", "form-action"}
    assert len(re.findall(r"'sha256-[\w+/=]{44}'", rules["script-src"])) == len(rules["script-src"].split()) == 4
    sources = [attrs[name] for _, attrs in shown.tags for name in ("src", "href", "srcset") if name in attrs]
    assert sources and all((source or "").startswith("data:image/png;base64,") for source in sources)
    style = html.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style and "@import" not in style


def test_scripts_are_allowed_by_their_own_digest() -> None:
    from markupsafe import Markup

    assert "'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='" in content_policy([Markup("alert(1)")])


@pytest.mark.parametrize("which", ["images", "vectors"])
def test_hostile_class_names_stay_text(which: str, request: pytest.FixtureRequest) -> None:
    run: RunStore = request.getfixturevalue(which)
    html = (run.path / "report.html").read_text(encoding="utf-8")
    shown = Seen(html)
    assert "<img src=x" not in html and "<b>bold" not in html
    assert not [attrs for _, attrs in shown.tags if any(name.startswith("on") for name in attrs)]
    assert sum(tag == "script" for tag, _ in shown.tags) == 7  # data and two scripts, and words, data and two scripts
    assert not set(shown.data) & set("<>&\u2028\u2029")
    explorer = shown.kept["explorer-data"]
    assert not set(explorer) & set("<>&\u2028\u2029") and sorted(json.loads(explorer)["classes"]) == sorted(HOSTILE)


def test_a_hostile_path_and_source_stay_text(digits_file: str, tmp_path: Path) -> None:
    run = fitted(
        digits_file, tmp_path / "a <b onclick=x> & 'run'", model="mixture", model__num_components=2, train__steps=2
    )
    shown = seen(run)
    assert not [tag for tag, _ in shown.tags if tag == "b"]
    assert str(run.path) in shown.text
    assert not [tag for tag, _ in Seen(run_card(run)).tags if tag == "b"]


def test_the_same_run_gives_the_same_bytes(images: RunStore) -> None:
    first = (images.path / "report.html").read_bytes()
    torch.manual_seed(123)
    again = RunStore.load(images.path)
    assert write_report(again) == images.path / "report.html"
    assert (images.path / "report.html").read_bytes() == first


def test_a_report_draws_no_noise_of_the_caller(images: RunStore) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    page(images)
    assert torch.equal(torch.rand(3), expected)


def test_an_unfinished_run_is_refused_with_the_remedy(digits_file: str, tmp_path: Path) -> None:
    run = prepare(digits_file, out=tmp_path / "run", options={"train.steps": 3}).start()
    with pytest.raises(RequestError, match="no result yet"):
        write_report(run)
    assert not (tmp_path / "run" / "report.html").exists()


def test_extremes_are_those_of_the_whole_test_set(mixture: RunStore) -> None:
    subject = Subject.of(mixture)
    every, _ = evaluate(subject.model, subject.test, make_estimator("exact"))
    order = every.log_px.argsort()
    least, most = ends(subject, 5)
    assert [place for place, _ in least] == order[:5].tolist()
    assert [place for place, _ in most] == order.flip(0)[:5].tolist()
    assert [value for _, value in least] == pytest.approx(every.log_px[order[:5]].tolist())


def test_extremes_are_those_of_the_result(images: RunStore) -> None:
    (least, most), log_px = ends(Subject.of(images), 1000), images.scores("test")
    assert len(least) == len(log_px) // 2 and np.isclose(log_px.mean(), images.result["log_px"])
    assert np.array_equal([value for _, value in least], np.sort(log_px)[: len(least)])
    assert np.array_equal([value for _, value in most], np.sort(log_px)[::-1][: len(most)])


def test_the_kept_step_is_the_best_of_the_last_phase(images: RunStore) -> None:
    rows = [row for row in images.metrics if "valid_bound" in row]
    assert kept_step(images) == max(rows, key=lambda row: row["valid_bound"])["step"]
    (mark,) = [t for t in seen(images).page_data["bound"]["data"] if t["name"] == "weights kept"]
    assert mark["x"] == [kept_step(images)]
    assert mark["y"] == pytest.approx([max(row["valid_bound"] for row in rows)])


def test_colour_images_with_one_test_example(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (12, 6, 5, 3)).astype(np.uint8)
    run = fitted(x, tmp_path / "run", train__steps=3, model__latent=1, train__batch_size=4)
    shown = seen(run)
    assert "extremes" not in shown.sections and "paths" not in shown.sections and "rates" not in shown.sections
    assert "explorer" in shown.sections
    assert "Save it first" in shown.text
