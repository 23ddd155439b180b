"""Pictures and texts as one model: every marginal and conditional against sums over all pictures and texts."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from unveil.batch import Batch
from unveil.data import Split
from unveil.domain import Domain
from unveil.domain.text import decode, encode
from unveil.errors import RequestError
from unveil.evaluation.jointly import closest
from unveil.likelihoods.characters import Characters
from unveil.models.vae.joint import Joint
from unveil.ops import keyed
from unveil.posteriors.experts import ExpertsOrFlow, ProductOfExperts
from unveil.registry import describe, lookup, rebuild
from unveil.use.both import draws_given_text, log_p_of_texts, posterior_draws

IMAGE, TEXT = Domain("binary", (2, 2)), Domain("text", (3,), alphabet="ab")
BOTH = Domain.joined(image=IMAGE, text=TEXT)
WORDS = ["".join(w) for n in range(4) for w in itertools.product("ab", repeat=n)]  # all 15
GRID = torch.linspace(-6, 6, 161)


def every() -> Tensor:
    """All 16 pictures with all 15 texts, [240, 7], texts the faster."""
    texts = torch.from_numpy(encode(WORDS, "ab", 3))
    pictures = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4)))
    return torch.cat([pictures.repeat_interleave(len(texts), 0), texts.repeat(len(pictures), 1)], 1)


def model(latent: int = 1, seed: int = 0) -> Joint:
    with keyed("joint", seed):
        found = Joint.build(BOTH, latent=latent, width=16).eval()
        with torch.no_grad():
            for p in found.decoder.parameters():
                p.mul_(3)
    return found


def hiding(x: Tensor, *names: str) -> Batch:
    observed = torch.ones_like(x, dtype=torch.bool)
    for name in names:
        observed[:, BOTH.places[name]] = False
    return Batch(x, observed=observed)


@torch.no_grad()
def log_p(found: Joint, batch: Batch) -> Tensor:
    """log p(x) by the trapezium rule over one latent, [B], float64."""
    z = GRID.view(-1, 1, 1).expand(-1, len(batch), 1)
    terms = found.joint(batch, (z,))
    return (terms.log_px_z.double() + terms.log_pz.sum(-1).double()).logsumexp(0) + torch.log(
        GRID[1] - GRID[0]
    ).double()


def test_the_probabilities_of_all_pictures_with_all_texts_sum_to_one() -> None:
    torch.testing.assert_close(
        log_p(model(), Batch(every())).logsumexp(0), torch.zeros((), dtype=torch.float64), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize(("hidden", "shape", "axis"), [("image", (16, 15), 0), ("text", (16, 15), 1)])
def test_a_marginal_is_the_sum_over_the_other_modality(hidden: str, shape: tuple[int, int], axis: int) -> None:
    found, x = model(), every()
    whole, alone = log_p(found, Batch(x)).view(shape), log_p(found, hiding(x, hidden)).view(shape)
    torch.testing.assert_close(whole.logsumexp(axis), alone.select(axis, 0), atol=1e-5, rtol=0)
    conditional = whole - alone
    torch.testing.assert_close(conditional.logsumexp(axis), torch.zeros_like(alone.select(axis, 0)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("hidden", [(), ("image",), ("text",), ("image", "text")])
def test_the_bound_of_any_modalities_is_below_their_log_p_and_close_with_many_draws(hidden: tuple[str, ...]) -> None:
    found, batch = model(), hiding(every()[::17], *hidden)
    exact = log_p(found, batch)
    with keyed("draws"), torch.no_grad():
        elbo = found.infer(batch, 400).elbo.double()
        many = torch.stack([found.infer(batch, 500).bound for _ in range(8)])
    assert bool((elbo < exact + 0.02).all())
    error = many.std(0) / 8**0.5
    assert bool(((many.mean(0) - exact).abs() < 5 * error + 0.01).all())


def test_covering_learns_draws_of_z_for_each_text() -> None:
    """Of two texts, z being N(2, ½²) of the one and of two places of the other: q(z|t) comes to both."""
    found = model(2)
    head = found.posterior_head
    assert isinstance(head, ExpertsOrFlow)
    with keyed("told"):
        features = torch.randn(2, head.num_features)
    features[:, [4, 9]] = 1.0  # both modalities are there

    def drawn(num: int) -> Tensor:
        z = torch.randn(num, 2, 2) / 2
        z[:, 0] += 2.0
        z[:, 1] += 3.0 * (2.0 * torch.randint(2, (num, 1)) - 1)
        return z

    before = float(found.covering(features, drawn(1_000)).mean().detach())
    optimizer = torch.optim.Adam(head.parameters(), 5e-3)
    with keyed("learn"):
        for _ in range(400):
            loss = found.covering(features, drawn(256)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad(), keyed("look"):
        text = head(head.only(features, torch.tensor([[False, True]] * 2)))
        z = text.sample(torch.Size([4_000]))
        torch.testing.assert_close(text.log_prob(z), head.of_text(features).log_prob(z))
    assert float(loss.detach()) < before - 2
    assert float(z[:, 0].mean()) == pytest.approx(2, abs=0.15) and float(z[:, 0].std()) == pytest.approx(0.5, abs=0.1)
    assert float((z[:, 1].abs() - 3).abs().mean()) < 0.8 and float(z[:, 1].mean()) == pytest.approx(0, abs=0.5)


def test_a_text_alone_has_the_flow_and_all_else_the_experts() -> None:
    found, x = model(2), every()[:8]
    head = found.posterior_head
    assert isinstance(head, ExpertsOrFlow)
    for parameter in head.to_base.parameters():  # a flow that has learned something
        torch.nn.init.normal_(parameter, std=0.1)
    whole, image, text, none = (hiding(x, *hidden) for hidden in ((), ("text",), ("image",), ("image", "text")))
    z = torch.randn(3, 8, 2)

    @torch.no_grad()
    def log_q(batch: Batch) -> Tensor:
        return found.posterior(batch).log_prob((z,)).squeeze(-1)

    of_experts = ProductOfExperts(10, 2)
    for batch in (whole, image, none):
        features = found.encoder(found.seen(batch))
        torch.testing.assert_close(log_q(batch), of_experts(features[:, :10]).log_prob(z))
    features = found.encoder(found.seen(text))
    with torch.no_grad():
        flow = head.of_text(features)
        torch.testing.assert_close(log_q(text), flow.log_prob(z), atol=1e-4, rtol=1e-4)
        with keyed("draw"):
            (drawn,), log_drawn = found.posterior(text).draw(5)
    torch.testing.assert_close(log_drawn.squeeze(-1), flow.log_prob(drawn), atol=1e-4, rtol=1e-4)
    mean, stddev = found.posterior(text).mean, found.posterior(text).stddev
    with torch.no_grad(), keyed("many"):
        many = flow.sample(torch.Size([20_000]))
    assert mean is not None and stddev is not None
    torch.testing.assert_close(mean[0], many.mean(0), atol=0.1, rtol=0)
    torch.testing.assert_close(stddev[0], many.std(0), atol=0.1, rtol=0)
    alone = found.posterior(Batch(x[5:6], observed=text.observed[5:6])).mean  # type: ignore[index]
    torch.testing.assert_close(alone[0][0], mean[0][5])  # type: ignore[index]
    mixed = torch.cat([whole.observed[:4], text.observed[4:]])  # type: ignore[index]
    together = log_q(Batch(x, observed=mixed))
    company = found.posterior(Batch(x, observed=mixed)).mean
    torch.testing.assert_close(company[0][:4], found.posterior(whole).mean[0][:4])  # type: ignore[index]
    torch.testing.assert_close(together, torch.cat([log_q(whole)[:, :4], log_q(text)[:, 4:]], 1), atol=1e-4, rtol=1e-4)
    with pytest.raises(RequestError, match="subsets=covered takes the posterior experts_or_flow"):
        Joint(found.prior, found.encoder, of_experts, found.decoder, found.likelihood)  # type: ignore[arg-type]


def test_covering_is_learned_by_the_experts_of_texts_with_company_alone() -> None:
    found, x = model(2), every()[:12]
    found.train()
    image = found.encoder.heads[0].weight  # type: ignore[union-attr, index]
    text = dict(found.posterior_head.named_parameters())["to_base.transforms.5.hyper.4.bias"]

    def gradients(batch: Batch) -> tuple[Tensor, ...]:
        penalty = found.infer(batch, 3).penalties["covering"]
        assert penalty.shape == (12,)
        wanted = [image, text, *found.decoder.parameters()]
        return torch.autograd.grad(penalty.sum(), wanted, allow_unused=True, materialize_grads=True)

    with keyed("a"):
        of_image, of_text, *of_decoder = gradients(Batch(x))
        assert bool(of_text.any()) and not bool(of_image.any()) and not any(bool(g.any()) for g in of_decoder)
        assert not bool(gradients(hiding(x, "image"))[1].any())
    assert not found.eval().infer(Batch(x), 3).penalties


def test_pictures_of_a_text_are_made_of_the_z_that_learned_to_cover_it() -> None:
    found, batch = model(2), hiding(every()[7:8], "image")
    head = found.posterior_head
    assert isinstance(head, ExpertsOrFlow)
    for parameter in head.to_base.parameters():  # far from p(z), so that weights would say something else
        torch.nn.init.normal_(parameter, std=0.3)
    with keyed("a"), torch.no_grad():
        q = head.of_text(found.encoder(found.seen(batch)))
        z, wanted = draws_given_text(found, batch, 4_000), q.sample(torch.Size([4_000]))[:, 0]
    torch.testing.assert_close(z.mean(0), wanted.mean(0), atol=0.1, rtol=0.05)
    torch.testing.assert_close(z.std(0), wanted.std(0), atol=0.1, rtol=0.1)
    with keyed("joint", 0):
        weighed = Joint.build(BOTH, latent=2, width=16, subsets="drawn").eval()
    with keyed("b"):
        picked = draws_given_text(weighed, batch, 50)
    with keyed("b"):
        assert torch.equal(picked, posterior_draws(weighed, batch, 50)[0])


def test_a_text_that_was_not_shown_is_not_covered_by_draws_that_do_not_know_it() -> None:
    found, batch = model(2).train(), Batch(torch.cat([every()] * 4))
    with keyed("covered"):
        shown = found.some(batch).observed
    with keyed("covered"):
        penalty = found.infer(batch, 2).penalties["covering"]
    assert torch.equal(penalty != 0, shown.all(-1)) and 0.4 < float(shown.all(-1).float().mean()) < 0.6  # type: ignore[union-attr]


def test_with_the_prior_alone_goes_what_a_text_says_of_z_and_whole_examples_are_shown() -> None:
    found, batch = model(2).train(), Batch(torch.cat([every()] * 4))
    own = {id(p) for p in found.parameters_of("prior")}
    names = {name.split(".")[0] + "." + name.split(".")[1] for name, p in found.named_parameters() if id(p) in own}
    assert "posterior_head.to_base" in names and not any(name.startswith("encoder") for name in names)
    assert {id(p) for p in found.prior.parameters()} <= own
    found.begin(("prior",))
    assert bool(found.infer(batch, 2).penalties["covering"].all())
    found.begin(("p", "q"))
    assert not bool(found.infer(batch, 2).penalties["covering"].all())


def test_dropout_hides_of_texts_alone_and_while_training_alone() -> None:
    with keyed("joint", 0):
        found = Joint.build(BOTH, latent=2, width=16, dropout=0.5)
    x, z = every()[:50], torch.randn(1, 50, 2)

    def twice() -> tuple[bool, ...]:
        """Whether (log p of image and text, features of image and text) are the same again."""
        terms = [found.joint(Batch(x), (z,)).parts for _ in range(2)]
        read = [found.encoder(found.seen(Batch(x))) for _ in range(2)]
        parts = [torch.equal(terms[0][name], terms[1][name]) for name in BOTH.places]
        return (*parts, *(torch.equal(read[0][:, own], read[1][:, own]) for own in (slice(0, 4), slice(5, 9))))

    with keyed("dropped"), torch.no_grad():
        assert twice() == (True, False, True, False)
        found.eval()
        assert twice() == (True, True, True, True)
    assert Joint.build(BOTH, 100, latent=2, width=16).dropout == 0.5
    assert Joint.build(BOTH, 20_000, latent=2, width=16).dropout == 0
    with pytest.raises(RequestError, match=r"model.dropout is 1.0; it takes a share from 0 to below 1, or auto"):
        Joint.build(BOTH, latent=2, dropout=1.0)


def test_where_nothing_is_observed_q_is_the_prior() -> None:
    q = model(3).posterior(hiding(every()[:4], "image", "text"))
    mean, std = q.mean, q.stddev
    assert mean is not None and std is not None
    torch.testing.assert_close(mean[0], torch.zeros(4, 3))
    torch.testing.assert_close(std[0], torch.ones(4, 3))


def test_a_text_of_which_a_part_is_hidden_is_not_observed() -> None:
    found, x = model(2), every()[:20]
    observed = torch.ones_like(x, dtype=torch.bool)
    observed[:, -1] = False
    z = torch.randn(3, 20, 2)
    terms = found.joint(Batch(x, observed=observed), (z,))
    assert not bool(terms.parts["text"].any()) and bool(terms.parts["image"].all())
    whole = hiding(x, "text")
    torch.testing.assert_close(found.posterior(Batch(x, observed=observed)).mean, found.posterior(whole).mean)


@pytest.mark.parametrize("hidden", ["image", "text"])
def test_draws_of_z_given_one_modality_are_those_of_its_posterior(hidden: str) -> None:
    found, batch = model(), hiding(every()[100:101], hidden)
    with torch.no_grad():
        terms = found.joint(batch, (GRID.view(-1, 1, 1),))
    p = (terms.log_px_z[:, 0].double() + terms.log_pz[:, 0, 0].double()).softmax(0)
    mean = float((p * GRID).sum())
    spread = float((p * (GRID - mean) ** 2).sum() ** 0.5)
    with keyed("draws"):
        z, effective = posterior_draws(found, batch, 2_000)
    assert z.shape == (2_000, 1) and 100 < effective < 20_001
    error = spread * (1 / effective + 1 / 2_000) ** 0.5
    assert float(z.mean()) == pytest.approx(mean, abs=5 * error)
    assert float(z.std()) == pytest.approx(spread, abs=5 * error)


@torch.no_grad()
def test_log_p_of_texts_given_a_picture_is_that_of_the_sums() -> None:
    """Of all 15 texts at once, against p(x, t)/p(x) by quadrature; together they sum to 1, and the errors are told."""
    found, x = model(), every()[105:120]  # one picture with every text
    exact = log_p(found, Batch(x)) - log_p(found, hiding(x, "text"))
    alone = hiding(x[:1], "text")
    with keyed("texts"):
        several = [log_p_of_texts(found, alone, BOTH, WORDS, 4_000) for _ in range(8)]
    told, errors = (torch.stack(each) for each in zip(*several, strict=True))
    torch.testing.assert_close(told[0].logsumexp(0), torch.zeros((), dtype=torch.float64), atol=3e-4, rtol=0)
    assert bool(((told.mean(0) - exact).abs() < 5 * told.std(0) / 8**0.5 + 1e-3).all())
    spread = told.std(0) / errors.mean(0)
    assert 0.4 < float(spread.median()) < 2.0
    with keyed("few"):
        few, _ = log_p_of_texts(found, alone, BOTH, WORDS, 5)
    assert float(few.logsumexp(0)) < 0  # what is left out is lost


@torch.no_grad()
def test_the_closer_bound_of_a_text_alone_is_taken() -> None:
    """An expert of texts that is sure of something wrong leaves q(z|t) far from p(z|t); draws of p(z) are not."""
    found, x = model(), every()[:15]
    found.encoder.heads[1].weight.zero_()  # type: ignore[union-attr, index]
    found.encoder.heads[1].bias.copy_(torch.tensor([6.0, -2.0]))  # type: ignore[union-attr, index]
    observed = hiding(x, "image").observed
    split = Split(x, None, BOTH, "none", torch.arange(15), observed=observed)
    estimate, name = closest(found, split, ("iwae", "prior"), 500)
    assert name == "prior"
    torch.testing.assert_close(estimate.log_px, log_p(found, hiding(x, "image")), atol=0.3, rtol=0)
    assert closest(model(), split, ("iwae",), 10)[1] == "iwae"


def test_parts_say_what_each_modality_adds() -> None:
    found, x = model(2), every()[:20]
    with torch.no_grad():
        terms = found.infer(hiding(x, "text"), 3)
    torch.testing.assert_close(terms.parts["image"] + terms.parts["text"], terms.log_px_z)
    assert not bool(terms.parts["text"].any()) and bool(terms.parts["image"].all())


def test_room_after_a_text_and_company_change_no_log_p() -> None:
    long = Domain("text", (9,), alphabet="ab")
    short = Characters(TEXT, width=8, told=4)
    wide = Characters(long, width=8, told=4)
    wide.load_state_dict(short.state_dict())
    h = torch.randn(2, 14, 4)
    texts = [w for w in WORDS if len(w) < 3] * 2
    a, b = (torch.from_numpy(encode(texts, "ab", n)) for n in (3, 9))
    one = short(h).log_prob(a)
    torch.testing.assert_close(one, wide(h).log_prob(b))
    for i in (0, 5):
        torch.testing.assert_close(short(h[:, i : i + 1]).log_prob(a[i : i + 1]), one[:, i : i + 1])


def test_all_texts_of_an_alphabet_sum_to_one() -> None:
    p = Characters(TEXT, width=8, told=4)
    h = torch.randn(5, 1, 4)
    log_p = p(h).log_prob(torch.from_numpy(encode(WORDS, "ab", 3)))
    torch.testing.assert_close(log_p.logsumexp(1), torch.zeros(5), atol=1e-5, rtol=0)


def test_draws_of_texts_come_as_often_as_their_probability() -> None:
    p = Characters(TEXT, width=8, told=4)
    with keyed("texts"):
        h = 2 * torch.randn(1, 4)
        drawn = decode(p(h).sample((20_000,))[:, 0].numpy(), "ab")
    expected = p(h).log_prob(torch.from_numpy(encode(WORDS, "ab", 3))).exp()
    counts = torch.tensor([drawn.count(word) for word in WORDS]) / len(drawn)
    error = (expected * (1 - expected) / len(drawn)).sqrt()
    assert bool(((counts - expected).abs() < 5 * error + 1e-4).all())


def test_a_reader_says_the_same_of_a_text_in_any_company() -> None:
    encoder = model(2).encoder
    x = every()[:16]
    seen = torch.cat([x, torch.ones_like(x)], 1)
    whole = encoder(seen)
    for i in range(16):
        torch.testing.assert_close(encoder(seen[i : i + 1])[0], whole[i])


def test_texts_that_are_covered_are_shown_with_their_pictures() -> None:
    found, x = model(), every()
    with keyed("some"):
        shown = found.some(Batch(torch.cat([x] * 20))).observed
        alone = hiding(x, "image")
        assert torch.equal(found.some(alone).observed, alone.observed)  # type: ignore[arg-type]
    assert shown is not None and bool(shown[:, BOTH.places["image"]].all())
    assert 0.45 < float(shown[:, BOTH.places["text"]].all(1).float().mean()) < 0.55


def test_training_shows_every_set_of_modalities_and_never_what_is_missing() -> None:
    found, x = model(), every()
    found.subsets = "drawn"
    batch = hiding(x, "text")
    with keyed("some"):
        assert torch.equal(found.some(batch).observed, batch.observed)  # type: ignore[arg-type]  # one alone stays
        shown = found.some(Batch(torch.cat([x] * 20))).observed
    assert shown is not None
    image, text = (shown[:, BOTH.places[name]] for name in ("image", "text"))
    assert bool((image.all(1) | ~image.any(1)).all()) and bool((image.any(1) | text.any(1)).all())
    both = float((image.any(1) & text.any(1)).float().mean())
    assert 0.55 < both < 0.75 and 0.1 < float((~image.any(1)).float().mean()) < 0.25


def test_a_joint_model_is_rebuilt_from_what_describes_it() -> None:
    found = model(2)
    other = rebuild(describe(found))
    other.load_state_dict(found.state_dict())
    batch = Batch(every()[:30])
    with torch.no_grad(), keyed("a"):
        a = found.infer(batch).log_w
    with torch.no_grad(), keyed("a"):
        b = other.eval().infer(batch).log_w
    torch.testing.assert_close(a, b)


@pytest.mark.parametrize("network", ["mlp", "plain", "linear", "patch", "conv"])
def test_pictures_take_any_network(network: str) -> None:
    domain = Domain.joined(image=Domain("binary", (8, 8)), text=TEXT)
    found = Joint.build(domain, latent=2, network=network, width=8)  # type: ignore[arg-type]
    assert found.infer(Batch(torch.zeros(3, 67))).log_w.shape == (1, 3)


def test_many_pictures_get_a_learned_prior_and_leave_the_network_to_the_budget() -> None:
    domain = Domain.joined(image=Domain("binary", (28, 28)), text=TEXT)
    priors = [describe(Joint.build(domain, n, latent=2, width=8).prior)["name"] for n in (100, 60_000)]
    assert priors == ["standard_normal", "realnvp"]
    assert Joint.leaves_network_open(domain, 60_000, {}) and not Joint.leaves_network_open(domain, 100, {})


def test_what_is_no_joint_x_is_refused() -> None:
    with pytest.raises(RequestError, match="joint is a model of pictures with texts"):
        Joint.build(IMAGE)
    with pytest.raises(RequestError, match="no text can be made up"):
        Joint.build(BOTH, prior=lookup("prior", "vamp"))
    assert Domain.from_json(BOTH.to_json()) == BOTH
