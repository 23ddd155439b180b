"""The parts of a report: the command that repeats a run, the map, galleries, figures, the card."""

from __future__ import annotations

import base64
import io
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.decomposition import PCA
from torch import nn
from torch.distributions import MultivariateNormal

from unveil.api import Run
from unveil.batch import Batch
from unveil.diagnostics.activity import active_units, posterior_moments
from unveil.domain import Domain
from unveil.fitting.prepare import prepare
from unveil.likelihoods import Bernoulli
from unveil.models.vae import VAE
from unveil.posteriors import PosteriorHead
from unveil.priors import StandardNormal
from unveil.report.gallery import Painter, side_that_fits, sprite, uris
from unveil.report.notebook import run_card, sparkline
from unveil.report.planes import principal_components
from unveil.report.sections.anatomy import anatomy
from unveil.report.sections.columns import histogram
from unveil.report.sections.repetition import judgement, repetition
from unveil.report.sections.simple_models import differences
from unveil.report.sections.training import POINTS, curves
from unveil.report.subject import Subject
from unveil.runs.config import RunConfig
from unveil.runs.store import RunStore
from unveil.settings.choices import choose


def spoken(command: str) -> tuple[str, dict[str, str]]:
    """The source and the options of an `unveil fit` command."""
    words = shlex.split(command.replace("\\\n", " "))
    assert words[:2] == ["unveil", "fit"]
    options: dict[str, str] = {}
    rest = iter(words[3:])
    for word in rest:
        if word.startswith("--"):
            options[word[2:]] = next(rest)
        else:
            key, value = word.split("=", 1)
            options[key] = value
    return words[2], options


def config_again(run: RunStore, out: Path) -> RunConfig:
    """The choices of the run that the printed command starts."""
    commands = repetition(run)
    assert commands is not None
    source, options = spoken(commands[0])
    steps, seed = options.pop("steps"), int(options.pop("seed"))
    return prepare(source, out=out, seed=seed, options=options | {"train.steps": steps}).config


@pytest.mark.parametrize("which", ["images", "vectors", "mixture", "linear"])
def test_the_command_resolves_to_the_same_run(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    run: RunStore = request.getfixturevalue(which)
    again = config_again(run, tmp_path / "again").to_json()
    for part in ("source", "data", "seed", "model", "objective", "phases"):
        assert again[part] == run.config.to_json()[part], part


def test_the_command_says_every_choice_and_no_clock(digits_file: str, tmp_path: Path) -> None:
    options = {
        "objective": "beta_elbo", "objective.beta": 2.0, "prior": "gaussian", "model.latent": 3, "model.width": 32,
        "train.lr": 0.003, "train.patience": 0, "data.domain": "real", "likelihood": "gaussian",
        "likelihood.sigma": 0.5, "train.minutes": 0.01,
    }  # fmt: skip
    run = prepare(digits_file, out=tmp_path / "run", seed=7, options=options).start()
    commands = repetition(run)
    assert commands is not None and "minutes" not in commands[0]
    _, said = spoken(commands[0])
    assert said["objective"] == "beta_elbo" and said["seed"] == "7" and said["steps"] == str(run.phase.steps)
    for name in options.keys() - {"train.minutes", "objective", "likelihood"}:
        assert choose({**said_keys(said), name: said[name]})
    assert "posterior" not in said and "model.depth" not in said
    again = config_again(run, tmp_path / "again")
    assert again.model == run.config.model and again.objective == run.config.objective


def test_a_model_that_was_given_labels_or_gaps_has_a_command_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3))
    x[::4, 1] = np.nan
    table = "\n".join(["a,b,c,kind", *(f"{a},{'' if b != b else b},{c},{i % 2}" for i, (a, b, c) in enumerate(x))])
    (tmp_path / "t.csv").write_text(table + "\n")
    options = {"model.condition": "label", "data.label": "kind", "train.steps": 3}
    run = prepare(str(tmp_path / "t.csv"), out=tmp_path / "run", options=options).start()
    assert run.config.model["num_classes"] == 2 and run.config.model["sees_missing"]
    assert config_again(run, tmp_path / "again").model == run.config.model


def said_keys(said: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in said.items() if name not in ("steps", "seed")}


def test_later_phases_are_said_too(images: RunStore, tmp_path: Path) -> None:
    run = RunStore(images.path, replace(images.config, phases=(*images.config.phases, replace(images.phase, steps=44))))
    commands = repetition(run)
    assert commands is not None and commands[1:] == [f"unveil resume {shlex.quote(str(run.path))} --steps 44"]


def test_the_judgement_names_estimator_and_k(images: RunStore, mixture: RunStore) -> None:
    chosen = images.config.judging
    assert judgement(images).endswith(f"--estimator iwae --num-samples {chosen.num_samples}")
    assert judgement(mixture).endswith("--estimator exact")


class Wide(nn.Module):
    """An encoder of the user's own."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)


def test_no_command_is_made_up_for_a_model_built_by_hand(images: RunStore) -> None:
    spec = images.config.model
    own = replace(images.config, model=spec | {"encoder": {"class": "mine.Wide"}})
    assert repetition(RunStore(images.path, own)) is None
    deeper = spec | {"decoder": spec["decoder"] | {"width": spec["decoder"]["width"] + 1}}
    assert repetition(RunStore(images.path, replace(images.config, model=deeper))) is None


def test_the_picture_counts_every_weight_once(images: RunStore, mixture: RunStore, linear: RunStore) -> None:
    for run in (images, mixture, linear):
        found = anatomy(Subject.of(run))
        counts = [int(word.replace(",", "")) for part in (found.encoder, found.prior, found.decoder)
                  for line in part for word in line.split() if word.replace(",", "").isdigit()]  # fmt: skip
        assert sum(counts) == Subject.of(run).num_weights == sum(p.numel() for p in run.model.parameters())
    assert anatomy(Subject.of(images)).z == ["5 real numbers"]
    assert anatomy(Subject.of(mixture)).z == ["one of 4"]
    assert anatomy(Subject.of(linear)).exact and not anatomy(Subject.of(images)).exact


class Tilted(PosteriorHead):
    """A posterior whose dimensions are coupled."""

    def __init__(self, num_features: int, num_latents: int) -> None:
        super().__init__(num_features, num_latents)
        self.linear = nn.Linear(num_features, num_latents)

    def forward(self, features: torch.Tensor) -> MultivariateNormal:
        eye = torch.eye(self.num_latents)
        return MultivariateNormal(self.linear(features), scale_tril=eye + 0.1 * eye.flip(0).tril(-1))


def test_the_rate_of_a_vae_splits_where_it_splits(images: RunStore) -> None:
    batch = images.data.test.batch(torch.arange(6))
    kl = images.model.rate_per_dimension(batch)
    whole = images.model.expected_kl(images.model.posterior(batch))
    assert kl is not None and kl.shape == (6, 5) and whole is not None
    assert torch.allclose(kl.sum(-1), whole.squeeze(-1), atol=1e-5)
    domain = Domain("binary", (7,))
    own = VAE(StandardNormal(3), Wide(), Tilted(7, 3), nn.Linear(3, 7), Bernoulli(domain))
    assert own.rate_per_dimension(Batch(torch.ones(2, 7))) is None and own.panels(Batch(torch.ones(2, 7))) == ()


def test_active_latents_are_counted_on_the_examples_of_the_result(
    images: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unveil.diagnostics.activity.ACTIVE_ROWS", 3)
    model, test = images.model, images.data.test
    moments, found = posterior_moments(model, test.spread(3), expected=True), Subject.of(images).dimensions
    assert moments is not None and found is not None and found.rate is not None
    torch.testing.assert_close(found.variance, moments[0].var(0))
    assert int(found.active.sum()) == active_units(model, test) and found.num_examples == 3
    rate = model.rate_per_dimension(test.spread(3).batch(torch.arange(3)))
    assert rate is not None
    torch.testing.assert_close(found.rate, rate.double().mean(0))


def test_principal_components_are_those_of_scikit_learn() -> None:
    x = np.random.default_rng(0).normal(size=(50, 6)) @ np.diag([3.0, 2.0, 1.0, 0.5, 0.2, 0.1])
    scores, share = principal_components(torch.tensor(x))
    theirs = PCA(2).fit(x)
    assert np.allclose(np.abs(scores.numpy()), np.abs(theirs.transform(x)), atol=1e-8)
    assert share == pytest.approx(theirs.explained_variance_ratio_.sum())
    assert torch.equal(scores, principal_components(torch.tensor(x))[0])


def picture(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,")))))


def test_images_and_sprites_hold_the_pixels() -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 4, 6, 3)).astype(np.uint8)
    assert all((picture(uri) == image).all() for uri, image in zip(uris(images, 10), images, strict=True))
    found = sprite(images, 10)
    sheet = picture(found.uri)
    assert (found.columns, found.width, found.height) == (3, 6, 4)
    for i, image in enumerate(images):
        top, left = i // 3 * 4, i % 3 * 6
        assert (sheet[top : top + 4, left : left + 6] == image).all()
    grey = images[..., :1]
    assert (picture(uris(grey, 10)[0]) == grey[0, ..., 0]).all()
    assert max(picture(uris(images, 3)[0]).shape[:2]) == 3


def test_images_shrink_until_they_fit() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 64, 64, 3)).astype(np.uint8)
    sides = (64, 32, 16, 8)
    budgets = [100_000_000, 250_000, 60_000, 10]
    assert [side_that_fits(noise, 40, budget, sides) for budget in budgets] == [64, 32, 16, 8]
    assert sum(map(len, uris(noise, 32))) <= 250_000


def test_real_images_share_one_range() -> None:
    paint = Painter.of(Domain("real", (1, 2)), np.array([[[-1.0, 3.0]]]))
    assert paint(np.array([[[-1.0, 3.0]], [[1.0, 9.0]]])).ravel().tolist() == [0, 255, 128, 255]


def written(images: RunStore, rows: list[dict[str, Any]], phases: int = 1) -> RunStore:
    """A run whose metrics are these rows."""

    class Written(RunStore):
        metrics = rows

    return Written(Path("run"), replace(images.config, phases=images.config.phases * phases))


def test_long_curves_are_thinned_and_keep_the_best_step(images: RunStore) -> None:
    rows = [{"phase": 0, "step": step, "valid_bound": -float(step)} for step in range(1, 5001)]
    rows[1233]["valid_bound"] = 1.0
    line, mark = curves(written(images, rows), "bound")["data"]
    assert len(line["x"]) <= 2 * POINTS and mark["x"] == [1234] and mark["y"] == [1.0]


def test_phases_follow_each_other_in_a_curve(images: RunStore) -> None:
    rows = [{"phase": p, "step": s, "bound": 0.0} for p in (0, 1) for s in (1, 2)]
    assert curves(written(images, rows, phases=2), "bound")["data"][0]["x"] == [1, 2, 3, 4]


def test_the_first_fall_of_a_curve_does_not_flatten_the_rest(images: RunStore) -> None:
    steep = [-1000.0, *np.linspace(-110, -100, 50).tolist()]
    rows = [{"phase": 0, "step": i, "bound": v} for i, v in enumerate(steep)]
    low, high = curves(written(images, rows), "bound")["layout"]["yaxis"]["range"]
    assert -115 < low < -108 and -100 < high < -95
    assert "range" not in curves(written(images, rows[1:]), "bound")["layout"]["yaxis"]


def test_histograms_count_both_sides_in_the_same_bins() -> None:
    data, samples = np.array([0.0, 0, 1, 2]), np.array([1.0, 1, 2, 2])
    bars, line = histogram(data, samples)["data"]
    assert bars["x"] == line["x"] == [0, 1, 2]
    assert bars["y"] == [0.5, 0.25, 0.25] and line["y"] == [0, 0.5, 0.5]


def test_baselines_are_bars_of_the_paired_difference(images: RunStore) -> None:
    found = images.result["baselines"]
    (bar,) = differences(found)["data"]
    ordered = sorted(found, key=lambda b: -b["difference"])
    assert bar["x"] == pytest.approx([b["difference"] for b in ordered]) and len(found) >= 1
    assert bar["error_x"]["array"] == [b["difference_stderr"] for b in ordered]
    assert [c == "@accent" for c in bar["marker"]["color"]] == [x > 0 for x in bar["x"]]


def test_a_card_shows_a_finished_run(images: RunStore, vectors: RunStore) -> None:
    card = run_card(images)
    assert card == Run(images)._repr_html_()
    assert str(images.path) in card and "vae · finished" in card and "<svg" in card
    assert card.count('src="data:image/png;base64,') == 12 and "http" not in card and "<script" not in card
    assert images.result["sentences"][0] in card
    assert "<img" not in run_card(vectors) and "<svg" in run_card(vectors)


def test_a_card_shows_an_unfinished_run(digits_file: str, tmp_path: Path) -> None:
    path = tmp_path / "<i>run</i>"
    card = run_card(prepare(digits_file, out=path, options={"train.steps": 3}).start())
    assert "unfinished, step 0 of 3" in card and "unveil resume" in card
    assert "<i>" not in card and "&lt;i&gt;" in card and "<svg" not in card and "<img" not in card


def test_a_sparkline_climbs_when_the_bound_does() -> None:
    points = str(sparkline([-3.0, -2.0, -1.0])).split('points="')[1].split('"')[0].split()
    heights = [float(point.split(",")[1]) for point in points]
    assert heights == sorted(heights, reverse=True) and len(heights) == 3
    assert "-1.00 nats" in sparkline([-3.0, -2.0, -1.0])
    assert sparkline([-3.0]) == "" and "nan" not in sparkline([-3.0, -3.0])
