"""What z is worth to the decoder: own z against another example's, latents that are dead, since when, and why."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.distributions import MultivariateNormal

from contracts.variants import DOMAINS, batch_of, split_of
from exact import toys
from exact.simulated import StoredHierarchy, simulated
from unveil.data import Split
from unveil.diagnostics.collapse import DROP, RATE, Collapse, collapse, derangement, rate_gone_since, verdict
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.models.linear_gaussian import LinearGaussian
from unveil.models.vae import VAE
from unveil.models.vae.joint import Joint
from unveil.objectives import Elbo
from unveil.ops import keyed
from unveil.registry import lookup
from unveil.train.loop import fit
from unveil.train.stage import Stage

# -- own z against another example's ----------------------------------------------------------------------------------


def linear(gain: float, num: int = 1000) -> tuple[LinearGaussian, Split]:
    model = toys.linear_gaussian(toys.real_rows(100), fitted=False)
    with torch.no_grad():
        model.W.mul_(gain)
    return model, simulated(model, num)


def test_the_drop_of_a_linear_gaussian_model_is_the_closed_form() -> None:
    """−2 log p(x|z) is D + const with z ∼ p(z|x) and, with z' of another x, 2 tr(Wᵀψ⁻¹W) more: z and z' are N(0, I)."""
    model, split = linear(0.5)
    W, _, psi = model._theta(hold=True)
    truth = float((W**2 / psi.unsqueeze(-1)).sum())
    found = collapse(model, split)
    assert found.drop == pytest.approx(truth, abs=4 * found.drop_stderr)
    assert found.drop == pytest.approx(found.own - found.shuffled)
    assert found.drop_per_group == pytest.approx((found.drop,))
    kl = model.expected_kl(model.posterior(split.batch(torch.arange(1000)))).detach()
    assert found.rate == pytest.approx(float(kl.mean()))


def test_a_model_that_ignores_z_loses_nothing() -> None:
    model, split = linear(0.0)
    found = collapse(model, split)
    assert found.drop == 0 and found.drop_stderr == 0 and found.rate == pytest.approx(0, abs=1e-12)
    assert found.active == 0 and found.information_per_dim == pytest.approx((0, 0), abs=1e-9)
    (finding,) = found.findings()
    assert finding.code == "collapse" and finding.number == 0 and "only 0.000 ± 0.000 nats" in finding.sentence


def test_what_a_latent_tells_is_the_closed_form_of_its_gaussian_and_dead_ones_are_counted() -> None:
    model, split = linear(0.5, 4000)
    with torch.no_grad():
        model.W[:, 1] = 0
    split = simulated(model, 4000)
    found = collapse(model, split, limit=4000)
    q = model.posterior(split.batch(torch.arange(1))).distribution
    assert isinstance(q, MultivariateNormal)
    truth = -0.5 * float(q.variance[0, 0].detach().log())  # the prior's variance is 1
    assert found.information_per_dim == pytest.approx((truth, 0), abs=0.05)
    assert found.active == 1 and "1 of 2 latents vary" in found.words
    assert found.findings() == []


def test_each_group_has_its_own_drop() -> None:
    """x = W z₁ + noise: with another's z₁ the likelihood falls, with another's z₂ it does not move."""
    model = StoredHierarchy(off=0.0, wider=1.0)
    found = collapse(model, simulated(model, 300))
    assert found.drop_per_group == pytest.approx((found.drop, 0.0)) and found.drop > 1
    assert found.active is None and found.information_per_dim is None


def test_the_component_of_a_mixture_counts_as_z() -> None:
    batch = toys.clustered("real", 300)
    model = toys.mixture(batch, "real")
    for _ in range(20):
        model.solve(toys.once(batch))
    found = collapse(model, Split(batch.x.float(), None, model.domain, "none", torch.arange(300)))
    assert found.drop > DROP and found.rate > RATE and found.active is None
    alone = toys.mixture(batch, "real", num_components=1)
    assert collapse(alone, Split(batch.x.float(), None, model.domain, "none", torch.arange(300))).drop == 0


def small(prior: str = "standard_normal", **options: Any) -> VAE:
    classes = options.pop("num_classes", 0)
    model = VAE.build(DOMAINS[0], classes, latent=3, width=8, depth=1, prior=lookup("prior", prior), **options)
    model.initialise(replace(batch_of(DOMAINS[0], 40), y=torch.arange(40) % 3))
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return model.eval()


@pytest.mark.parametrize("prior", ["mixture", "realnvp", "bernoulli", "categorical"])
def test_every_kind_of_z_has_its_numbers(prior: str) -> None:
    found = collapse(small(prior), split_of(DOMAINS[0], 150))
    assert found.num_examples == 150 and found.drop == pytest.approx(found.own - found.shuffled)
    json.dumps(found.to_json(), allow_nan=False)


def test_labels_that_are_missing_are_no_hindrance() -> None:
    model, split = small(num_classes=3, condition="label"), split_of(DOMAINS[0], 40)
    assert collapse(model, replace(split, y=torch.arange(40) % 4 - 1)).drop_stderr > 0


def test_the_same_seed_gives_the_same_numbers_and_the_model_is_left_as_it_was() -> None:
    model, split = small().train(), split_of(DOMAINS[0], 60)
    one, again, other = collapse(model, split), collapse(model, split), collapse(model, split, seed=1)
    assert one == again and one != other and model.training


@pytest.mark.parametrize("count", [2, 3, 100])
def test_nobody_keeps_its_own(count: int) -> None:
    for _ in range(20):
        order = derangement(count)
        assert sorted(order.tolist()) == list(range(count)) and not bool((order == torch.arange(count)).any())


def test_one_example_is_refused() -> None:
    with pytest.raises(RequestError, match="takes at least 2"):
        collapse(small(), split_of(DOMAINS[0], 1))


# -- since when -------------------------------------------------------------------------------------------------------


def curve(*rates: float, name: str = "valid_rate", phase: int = 0) -> list[dict[str, Any]]:
    return [{"phase": phase, "step": 100 * (i + 1), name: rate} for i, rate in enumerate(rates)]


@pytest.mark.parametrize(
    ("metrics", "found"),
    [
        ([], (None, None)),
        (curve(5, 4, 3), (None, 300)),
        (curve(5, 0.01, 0.02), (200, 300)),
        (curve(0.01, 3, 0.02), (300, 300)),
        (curve(0.01, 0.02, 3), (None, 300)),
        (curve(0.01, 0.02, name="rate"), (100, 200)),
        (curve(5, 0.01) + curve(0.02, 0.01, phase=1), (200, 400)),
        (curve(0.01, 0.01, name="rate") + curve(5, 5, 5), (None, 300)),
    ],
    ids=["none", "alive", "fell", "fell late", "came back", "training rows", "two phases", "validation counts"],
)
def test_since_when_is_the_start_of_the_last_silence(metrics: list[dict[str, Any]], found: tuple[Any, Any]) -> None:
    assert rate_gone_since(metrics) == found


def test_the_sentence_says_since_when() -> None:
    model, split = linear(0.0, 50)
    (finding,) = collapse(model, split, metrics=curve(5, 0.01, 0.02)).findings()
    assert "since step 200 of 300" in finding.sentence


# -- why --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("live_bound", "live_rate", "kind"),
    [
        (-90.0, 5.0, "failed_optimisation"),
        (-100.1, 0.01, "optimum"),
        (-99.9, 0.01, "optimum"),
        (-105.0, 5.0, "undecided"),
        (-99.9, 5.0, "undecided"),
        (-90.0, 0.01, "undecided"),
    ],
)
def test_the_verdict_takes_both_the_rate_and_the_bound(live_bound: float, live_rate: float, kind: str) -> None:
    found = verdict(-100.0, live_bound, live_rate, stderr=0.1)
    assert found.kind == kind and f"{live_bound + 100:+.2f} ± 0.10 nats" in found.sentence


def test_a_drop_at_the_threshold_is_no_collapse() -> None:
    make = functools.partial(
        Collapse, 100, -10.0, -11.0, drop_stderr=0.01, drop_per_group=(0.5,), rate=0.3, information_per_dim=None,
        active=None, since=None, num_steps=None,
    )  # fmt: skip
    assert make(drop=DROP).findings() == [] and len(make(drop=DROP - 0.01).findings()) == 1


# -- of each modality --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deaf", [False, True])
def test_a_decoder_of_texts_that_ignores_z_is_named(deaf: bool) -> None:
    domain = Domain.joined(image=Domain("binary", (3, 3)), text=Domain("text", (3,), alphabet="abc"))
    with keyed("joint"):
        model = Joint.build(domain, latent=2, width=16)
        kind = torch.randint(2, (200, 1))
        x = torch.where(kind == 1, torch.tensor([1.0] * 9 + [1, 2, 3]), torch.tensor([0.0] * 9 + [3, 0, 0]))
    for _ in fit(model, Split(x, None, domain, "none", torch.arange(200)), Stage(Elbo(warmup=0.0), steps=150, lr=1e-2)):
        pass
    model.eval()
    if deaf:
        with torch.no_grad():
            for weight in model.decoder.of[1].parameters():  # type: ignore[union-attr, index, operator]
                weight.zero_()
    observed = torch.ones_like(x, dtype=torch.bool)
    observed[:20, domain.places["text"]] = False
    split = Split(x, None, domain, "none", torch.arange(200), observed=observed)
    found = collapse(model, split)
    assert found.drop_per_modality is not None and set(found.drop_per_modality) == {"image", "text"}
    (image, _), (text, error) = found.drop_per_modality["image"], found.drop_per_modality["text"]
    assert found.drop == pytest.approx(image + 0.9 * text, rel=1e-4) and image > DROP
    assert (text == 0 and error == 0) if deaf else text > 3 * error
    assert [finding.code for finding in found.findings()] == (["modality_ignores_z"] if deaf else [])
    assert "of text)" in found.words and json.loads(json.dumps(found.to_json()))["drop_per_modality"]["text"][0] == text
