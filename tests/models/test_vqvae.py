"""Codes: nearest ones, a gradient straight through, a book that lives, a bound that is one, a prior learned last."""

from __future__ import annotations

import itertools
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from unveil.batch import Batch
from unveil.data import Split, load
from unveil.diagnostics.codebook import codebook
from unveil.diagnostics.collapse import collapse
from unveil.diagnostics.structure import structure
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.estimators.base import evaluate
from unveil.fitting.events import Progress
from unveil.fitting.prepare import prepare
from unveil.fitting.signals import StopRequests
from unveil.fitting.trainer import Trainer
from unveil.models.vqvae import VQVAE
from unveil.models.vqvae.figures import words
from unveil.nn.codecells import code_sizes
from unveil.nn.quantize import AGAIN, ScalarQuantizer, VectorQuantizer, count_codes, perplexity, scalar_levels
from unveil.objectives import Elbo
from unveil.ops import keyed
from unveil.panels import Bars, Lines, Strip
from unveil.priors.codes import CodePrior
from unveil.registry import lookup
from unveil.runs.store import RunStore
from unveil.train.checkpoint import load_checkpoint
from unveil.train.loop import TrainState, fit
from unveil.train.stage import Stage

SETTLED = 10_000  # batches, after which no book begins anew
REAL, IMAGE = Domain("real", (6,)), Domain("binary", (9, 10))


def rows(domain: Domain, num: int) -> Tensor:
    if domain.kind == "real":
        return torch.randn(num, 2) @ torch.randn(2, 6) + 0.1 * torch.randn(num, 6)
    return (torch.rand(num, *domain.shape) < torch.rand(num, 1, 1)).float()


def model_of(domain: Domain = REAL, num_classes: int = 0, **arguments: object) -> VQVAE:
    """Begun from data, with a prior that has something to say."""
    arguments = {"latent": 2, "codebook_size": 8, "width": 8, "depth": 1, "code_dim": 4, **arguments}
    with keyed("vqvae"):
        condition = "label" if num_classes else "none"
        model = VQVAE.build(domain, num_classes, condition=condition, **arguments)  # type: ignore[arg-type]
        y = torch.arange(60) % num_classes if num_classes else None
        model.initialise(Batch(rows(domain, 60), y=y))
        with torch.no_grad():
            for p in model.prior.parameters():
                p.add_(0.3 * torch.randn_like(p))
    return model.eval()


def split_of(domain: Domain = REAL, num: int = 200) -> Split:
    with keyed("rows"):
        x = rows(domain, num)
    return Split(x if domain.kind == "real" else x.byte(), None, domain, "none", torch.arange(num))


def quantizer(**arguments: bool) -> VectorQuantizer:
    with keyed("book"):
        made = VectorQuantizer(5, 3, **arguments)
        made.start(torch.randn(300, 3))
    made.batches.fill_(SETTLED)
    return made


# Quantisers


def test_a_vector_becomes_the_nearest_code() -> None:
    made, h = quantizer(), torch.randn(7, 4, 3)
    found = made(h)
    distance = (found.vectors.unsqueeze(-2) - made.vectors).norm(dim=-1)
    assert torch.equal(found.codes, distance.argmin(-1))
    torch.testing.assert_close(found.values, made.look_up(found.codes))
    torch.testing.assert_close(found.commitment, distance.amin(-1).square())


@pytest.mark.parametrize("name", ["vq", "fsq"])
def test_the_gradient_of_a_code_is_handed_to_the_vector(name: str) -> None:
    """∂L/∂e(h) = ∂L/∂h for a book; rounded scalars add the slope of what bounds them."""
    made = quantizer() if name == "vq" else ScalarQuantizer(60)
    h = torch.randn(7, made.dim, requires_grad=True)
    goal = torch.randn(7, made.dim)
    found = made(h)
    (slope,) = torch.autograd.grad((found.values * goal).sum(), h)
    (passed,) = torch.autograd.grad((made(h).vectors * goal).sum(), h)
    if name == "vq":
        torch.testing.assert_close(slope, passed)
    else:
        assert torch.equal(slope.sign(), goal.sign())
    torch.testing.assert_close(made.look_up(found.codes), found.values.detach())


def test_averages_follow_the_vectors_that_chose_a_code() -> None:
    """e_k = s_k/n_k, with s_k and n_k averages of what was added up and counted over the batches."""
    made = quantizer(revival=False)
    found = made(torch.randn(400, 3))
    sums, counts = made.book.embed_avg[0].clone(), made.book.cluster_size[0].clone()
    made.learn(found)
    for code in range(5):
        chose = found.vectors[found.codes == code]
        total, count = 0.99 * sums[code] + 0.01 * chose.sum(0), 0.99 * counts[code] + 0.01 * len(chose)
        torch.testing.assert_close(made.vectors[code], total / count, rtol=1e-3, atol=1e-4)


def test_a_book_may_learn_by_gradient() -> None:
    made, h = quantizer(ema=False, revival=False), torch.randn(400, 3)
    before = made.vectors.detach().clone()
    made.learn(made(h))
    assert torch.equal(made.vectors, before)
    found = made(h)
    (slope,) = torch.autograd.grad(found.book.sum(), list(made.parameters()))
    chosen = found.codes == 2
    expected = 2 * (made.vectors[2] - found.vectors[chosen]).sum(0)
    torch.testing.assert_close(slope[0, 2], expected.detach(), atol=1e-4, rtol=1e-4)
    assert not quantizer()(h).book.any()


def test_a_dead_code_is_revived_or_left_alone() -> None:
    for revival in (True, False):
        made = quantizer(revival=revival)
        h = torch.randn(50, 4, 3)
        with torch.no_grad():
            made.book.embed[0, 3] = 100.0
            made.book.embed_avg[0, 3] = 100.0 * made.book.cluster_size[0, 3]
        for _ in range(900):
            made.learn(made(h))
        used = bool((made(h).codes == 3).any())
        assert used == revival


def test_a_book_begins_anew_while_the_encoder_moves_fast() -> None:
    made = quantizer(revival=False)
    made.batches.fill_(0)
    with torch.no_grad():
        made.book.embed[0, 1:] = 100.0
        made.book.embed_avg.copy_(made.book.embed * made.book.cluster_size.unsqueeze(-1))
    h = torch.randn(50, 4, 3)
    used = []
    for _ in range(AGAIN[0]):
        used.append(len(made(h).codes.unique()))
        made.learn(made(h))
    assert used[-1] == 1 and len(made(h).codes.unique()) == 5


def test_k_means_begins_with_all_codes_in_use_even_of_few_vectors() -> None:
    made = VectorQuantizer(32, 3)
    h = torch.randn(20, 3)
    made.start(h)
    assert len(made(h).codes.unique()) == 20 and torch.isfinite(made.vectors).all()
    assert len(made.vectors.unique(dim=0)) == 32


@pytest.mark.parametrize(
    ("size", "levels"), [(512, (8, 8, 8)), (64, (8, 8)), (1024, (8, 8, 4, 4)), (240, (8, 6, 5)), (5, (5,))]
)
def test_scalars_of_a_codebook_size(size: int, levels: tuple[int, ...]) -> None:
    assert scalar_levels(size) == levels
    made = ScalarQuantizer(size)
    every = made.look_up(torch.arange(size))
    assert len(every.unique(dim=0)) == size
    codes = made(3 * torch.randn(4000, made.dim)).codes
    assert codes.dtype == torch.int64 and int(codes.min()) >= 0 and int(codes.max()) < size


@pytest.mark.parametrize("size", [11, 2, 22])
def test_sizes_that_scalars_cannot_have_are_refused(size: int) -> None:
    with pytest.raises(RequestError, match="product"):
        ScalarQuantizer(size)


def test_perplexity_counts_what_is_used() -> None:
    assert float(perplexity(torch.tensor([3.0, 3.0, 0.0, 3.0]))) == pytest.approx(3)
    assert count_codes(torch.tensor([[0, 2], [2, 2]]), 4).tolist() == [1, 0, 3, 0]


def test_grids_of_codes_are_no_larger_than_asked() -> None:
    assert code_sizes((28, 28), 16) == [(7, 7), (4, 4)] and code_sizes((28, 28), 49) == [(7, 7)]
    assert code_sizes((28, 28), 1)[-1] == (1, 1) and code_sizes((9, 10), 10)[-1] == (3, 3)


# The model


def test_the_bound_is_below_the_sum_over_all_codes() -> None:
    model, batch = model_of(), Batch(rows(REAL, 20))
    every = torch.tensor(list(itertools.product(range(8), repeat=2))).unsqueeze(1).expand(-1, 20, -1)
    terms = model.joint(batch, (every,))
    torch.testing.assert_close(terms.log_pz.exp().sum(0), torch.ones(20, 1))
    log_px = (terms.log_px_z + terms.log_pz.sum(-1)).double().logsumexp(0)
    bound = model.infer(batch).elbo
    assert (bound <= log_px + 1e-4).all() and (bound < log_px - 1e-6).any()
    assert "exact" in model.gives and "exact" not in model_of(latent=4).gives
    torch.testing.assert_close(model.log_prob(batch), log_px)


def test_terms_are_those_of_a_certain_q() -> None:
    model, batch = model_of(), Batch(rows(REAL, 5))
    terms = model.infer(batch, 3)
    assert terms.z[0].shape == (3, 5, 2) and terms.z[0].dtype == torch.int64
    assert terms.log_qz_x is not None and not terms.log_qz_x.any() and terms.kl is None
    joint = model.joint(batch, terms.z)
    torch.testing.assert_close(terms.log_px_z, joint.log_px_z)
    torch.testing.assert_close(terms.log_pz, joint.log_pz)
    other = (terms.z[0] + 1) % 8
    assert (model.posterior(batch).log_prob((other,)) == -torch.inf).all()
    assert {"commitment", "codebook"} == terms.penalties.keys()
    assert {"codebook_usage", "codebook_perplexity"} == terms.metrics.keys()


def test_the_encoder_learns_from_what_is_decoded() -> None:
    model, batch = model_of().train(), Batch(rows(REAL, 5))
    model.infer(batch).log_px_z.sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters_of("q"))


def test_statistics_move_in_training_alone_and_once_whatever_k() -> None:
    batch = Batch(rows(REAL, 30))
    moved = {}
    for k in (1, 4):
        model = model_of()
        before = model.quantizer.vectors.clone()  # type: ignore[union-attr,operator]
        model.infer(batch, k)
        assert torch.equal(model.quantizer.vectors, before)
        model.train().infer(batch, k)
        moved[k] = model.quantizer.vectors.clone()  # type: ignore[union-attr,operator]
        assert not torch.equal(moved[k], before)
    assert torch.equal(moved[1], moved[4])


def test_stages_uniform_first_then_the_prior_alone() -> None:
    model, batch = model_of().train(), Batch(rows(REAL, 30))
    model.begin(("p", "q"))
    assert torch.allclose(model.infer(batch).log_pz, torch.tensor(-2 * math.log(8)))
    codes = model.draw_prior(4000)[0]
    model.begin(("prior",))
    before = model.quantizer.vectors.clone()  # type: ignore[union-attr,operator]
    terms = model.infer(batch)
    assert torch.equal(model.quantizer.vectors, before), "the book stands while the prior learns"
    assert terms.log_pz.std() > 0.01
    assert codes.shape == (4000, 2)


def test_a_prior_that_has_learned_nothing_is_uniform() -> None:
    prior = CodePrior(8, (2, 3), width=6, depth=2)
    codes = torch.randint(8, (5, 6))
    torch.testing.assert_close(prior.log_prob(codes), torch.full((5,), -6 * math.log(8)))


def test_the_prior_draws_codes_as_often_as_it_says() -> None:
    prior = model_of().prior
    every = torch.tensor(list(itertools.product(range(8), repeat=2)))
    p = prior.log_prob(every).exp().detach()
    assert float(p.sum()) == pytest.approx(1, abs=1e-5)
    drawn = prior.draw(30_000)
    frequency = torch.bincount(8 * drawn[:, 0] + drawn[:, 1], minlength=64) / len(drawn)
    assert ((frequency - p).abs() < 5 * (p * (1 - p) / len(drawn)).sqrt() + 1e-4).all()
    assert len(prior.draw(50, temperature=1e-6).unique(dim=0)) == 1


def test_fitting_learns_the_prior_last_and_gains_by_it() -> None:
    split, model = split_of(), model_of()
    with torch.no_grad():
        for p in model.prior.parameters():
            p.zero_()
    found = {}
    for parts in (("p", "q"), ("prior",)):
        stage = Stage(Elbo(warmup=0), steps=80, batch_size=50, lr=1e-2, parts=parts)
        with torch.no_grad():
            for p in model.prior.grid.parameters() if parts == ("prior",) else ():
                p.add_(0.1 * torch.randn_like(p))
        for step in fit(model, split, stage, TrainState(model, stage)):
            found[parts] = step["rate"]
    uniform = 2 * math.log(8)
    assert found[("p", "q")] == pytest.approx(uniform) and found[("prior",)] < uniform - 0.2


@pytest.mark.parametrize("name", ["iwae", "ais"])
def test_estimators_of_weights_are_refused_with_the_remedy(name: str) -> None:
    with pytest.raises(RequestError, match="elbo"):
        evaluate(model_of(), split_of(), lookup("estimator", name)())


@pytest.mark.parametrize("name", ["iwae", "dreg", "stl"])
def test_objectives_of_weights_are_refused_with_the_remedy(name: str) -> None:
    with pytest.raises(RequestError, match="elbo"):
        lookup("objective", name)().check(model_of())


def test_a_missing_label_is_summed_out_of_the_prior() -> None:
    model, batch = model_of(num_classes=3), Batch(rows(REAL, 8))
    model.log_frequency.copy_(torch.tensor([0.5, 0.3, 0.2]).log())
    each = [model.infer(replace(batch, y=torch.full((8,), y))).elbo for y in range(3)]
    log_py = model.log_frequency.unsqueeze(1)
    torch.testing.assert_close(model.infer(batch).elbo, (torch.stack(each) + log_py).logsumexp(0))
    assert (each[0] - each[1]).abs().max() > 1e-3
    assert torch.equal(model.label(batch), (torch.stack(each) + log_py).argmax(0))  # type: ignore[arg-type]
    x, (codes,) = model.sample(6, torch.arange(6) % 3)
    assert x.shape == (6, 6) and codes.shape == (6, 2)


def test_bad_choices_are_refused_in_a_sentence() -> None:
    for arguments, said in (
        ({"codebook_size": 1}, "codebook_size is 1"),
        ({"latent": -1}, "latent is -1"),
        ({"commitment": -1.0}, "commitment is -1"),
        ({"quantizer": "fsq", "code_dim": 3}, "code_dim=3"),
    ):
        with pytest.raises(RequestError, match=said):
            model_of(**arguments)  # type: ignore[arg-type]


def test_panels_say_what_only_codes_have() -> None:
    panels = model_of(IMAGE).panels(Batch(rows(IMAGE, 20)))
    assert [type(panel) for panel in panels] == [Lines, Bars, Strip, Strip, Strip]
    assert panels[2].rows.shape == (4, 8, 9, 10)  # type: ignore[attr-defined]


def test_the_words_of_a_picture_are_shown_by_those_that_say_them() -> None:
    """Of 4 words the one that never varies is left out; a row holds pictures that say its code, most often first."""
    model, x = model_of(IMAGE, latent=4), rows(IMAGE, 6)
    codes = torch.tensor([[1, 4, 0, 7], [1, 4, 1, 7], [1, 4, 4, 7], [1, 5, 0, 7], [1, 5, 1, 3], [1, 6, 5, 3]])
    shown, exchanged = words(model, Batch(x), codes)
    said = dict(zip(shown.row_labels, shown.rows, strict=True))
    assert list(exchanged.row_labels) == ["word 2", "word 3", "word 4"] and "3 words that vary most" in shown.words
    torch.testing.assert_close(said["word 2 = 4"], x[[2, 0, 1]])  # the third says 4 twice
    torch.testing.assert_close(said["word 4 = 7"], x[:4])
    with torch.no_grad():
        own, other = (model.decode((torch.tensor([[[1, c, 0, 7]]]),)).mean[0, 0] for c in (4, 5))
    torch.testing.assert_close(exchanged.rows[0][:2], torch.stack([own, other]))
    assert len(exchanged.rows[0]) == 3 and exchanged.led


# Collapse


def collapsed(revival: bool) -> VQVAE:
    """A book of which all codes but one lie far off, as after a start that went wrong."""
    model = model_of(codebook_size=32, revival=revival)
    book = model.quantizer.book  # type: ignore[union-attr]
    model.quantizer.batches.fill_(SETTLED)  # type: ignore[union-attr,operator]
    with torch.no_grad():
        book.embed[0, 1:] = 50 + torch.randn(31, 4)
        book.embed_avg.copy_(book.embed * book.cluster_size.unsqueeze(-1))
    return model


def test_a_collapsed_codebook_is_diagnosed_and_revived() -> None:
    split = split_of()
    sick = codebook(collapsed(revival=False), split)
    assert sick.used == 1 and sick.perplexity == pytest.approx(1)
    (finding,) = sick.findings()
    assert finding.code == "codebook_collapse" and "model.revival=true" in finding.remedy
    for revival, cured in ((False, False), (True, True)):
        model = collapsed(revival)
        stage = Stage(Elbo(), steps=320, batch_size=50, lr=1e-3)
        for _ in fit(model, split, stage, TrainState(model, stage)):
            pass
        assert (not codebook(model, split).findings()) == cured


def test_codes_that_say_nothing_are_told_what_codes_can_do() -> None:
    """One code for every x: no weight of the rate brings more of them."""
    (finding,) = collapse(collapsed(revival=False), split_of()).findings()
    assert finding.code == "collapse" and "model.latent" in finding.remedy and "beta" not in finding.remedy


def test_the_numbers_of_codes_are_not_probed_as_if_they_were_values() -> None:
    with pytest.raises(RequestError, match="names"):
        structure(model_of(), load("digits"))


def test_only_codes_have_a_codebook() -> None:
    model = lookup("model", "linear_gaussian")(REAL)
    with pytest.raises(RequestError, match="vqvae"):
        codebook(model, split_of())


# A run


STEPS, EVERY = 60, 6
RUN = {
    "model": "vqvae", "model.latent": 2, "model.codebook_size": 8, "model.width": 8, "train.steps": STEPS,
    "train.valid_every": EVERY, "train.batch_size": 32, "train.compile": False,
}  # fmt: skip


def trained(run: RunStore) -> None:
    for _ in Trainer(run, run.data, None, None).train(StopRequests()):
        pass


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunStore, Path]:
    """A run that was trained to its end, and the path of a copy from before its first update."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    whole = prepare(run_x(), out=folder / "whole", options=RUN).start()
    shutil.copytree(whole.path, folder / "begun")
    trained(whole)
    return whole, folder / "begun"


def run_x() -> Tensor:
    with keyed("run"):
        return split_of().x


@pytest.mark.parametrize("at", [26, 45, 57])
def test_killed_in_either_stage_and_resumed_is_bit_identical(
    uninterrupted: tuple[RunStore, Path], tmp_path: Path, at: int
) -> None:
    """Just after the book began anew, and while the prior learns."""
    (whole, begun), x = uninterrupted, run_x()
    assert [stage.name for stage in whole.stages()] == ["main", "prior"]
    shutil.copytree(begun, tmp_path / "killed")
    killed = RunStore.load(tmp_path / "killed", data=x)
    events = Trainer(killed, killed.data, None, None).train(StopRequests())
    for event in events:
        if isinstance(event, Progress) and event.step == at:
            break  # nothing is saved, as by a kill
    del events
    kept = load_checkpoint(killed.path / "state")
    assert kept is not None and kept.step == at // EVERY * EVERY
    trained(RunStore.load(killed.path, data=x))
    assert (whole.path / "weights.safetensors").read_bytes() == (killed.path / "weights.safetensors").read_bytes()
    rows = [[{k: v for k, v in row.items() if k != "time"} for row in run.metrics] for run in (whole, killed)]
    assert rows[0] == rows[1]
    assert {"valid_codebook_perplexity", "valid_codebook_usage"} <= whole.metrics[-1].keys()
