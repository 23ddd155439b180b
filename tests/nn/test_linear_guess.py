"""What shown columns say linearly of others, against the closed forms of a normal distribution."""

import pytest
import torch

import mixedtables
from unveil.batch import Batch
from unveil.models.autoregressive import AnyOrder
from unveil.nn.linear_guess import PRIOR, LinearGuess, covariance
from unveil.ops import keyed


def normal_rows(N: int = 4000) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows [N, 4] of unit variance from two factors, and their covariance."""
    W = torch.tensor([[0.9, 0.0], [0.8, 0.3], [-0.6, 0.6], [0.0, 0.9]])
    S = W @ W.T + torch.diag(1 - (W**2).sum(-1))
    with keyed("rows"):
        return torch.randn(N, 4) @ torch.linalg.cholesky(S).T, S


def test_the_covariance_of_complete_rows_is_that_of_the_rows_and_those_seen_beforehand() -> None:
    u, _ = normal_rows(50)
    u = u.double()
    expected = (u.T @ u + PRIOR * torch.eye(4)) / (50 + PRIOR)
    assert torch.allclose(covariance(u, torch.ones_like(u)), expected)


def test_gaps_at_random_leave_the_covariance() -> None:
    u, _ = normal_rows()
    with keyed("gaps"):
        o = (torch.rand(u.shape) < 0.7).double()
    assert torch.allclose(covariance(u.double() * o, o), u.double().T @ u.double() / len(u), atol=0.06)


@pytest.mark.parametrize("shown", [[0, 1, 2], [3], [1, 3], []], ids=str)
def test_a_guess_is_the_conditional_mean_of_a_normal_distribution(shown: list[int]) -> None:
    u, S = normal_rows(20_000)
    guess = LinearGuess(4, [])
    guess.fit(3 * u[:2048] + 5, torch.ones(2048, 4, dtype=torch.bool))
    rest = [d for d in range(4) if d not in shown]
    told = torch.zeros(len(u), 4, dtype=torch.bool)
    told[:, shown] = True
    filled, _ = guess(3 * u + 5, told)
    weights = torch.linalg.solve(S[shown][:, shown], S[shown][:, rest])  # [shown, rest]
    expected = u[:, shown] @ weights
    inside = (u.abs() < 3).all(-1)
    assert torch.allclose((filled[inside][:, rest] - 5) / 3, expected[inside], atol=0.25)
    assert torch.equal(filled[:, shown], (3 * u + 5)[:, shown])


def test_nothing_that_is_not_shown_changes_a_guess() -> None:
    domain = mixedtables.mixed()
    model = AnyOrder.build(domain)
    batch = Batch(mixedtables.rows(domain, 300))
    model.initialise(batch)
    shown = torch.zeros_like(batch.x, dtype=torch.bool)
    shown[:, ::2] = True
    others = Batch(torch.where(shown, batch.x, batch.x.roll(7, 0)))
    a, b = (model._hidden(model._features(each), shown) for each in (batch, others))
    assert bool((model.guess.W != 0).any())
    assert all(map(torch.equal, a, b))
    alone = model.view(batch.x, shown)
    assert torch.equal(torch.where(model.view.of_columns(shown), model._features(batch), 0.0), alone)


def test_rows_that_show_the_same_are_guessed_as_each_alone() -> None:
    u, _ = normal_rows(300)
    guess = LinearGuess(4, [])
    guess.fit(u, torch.ones_like(u, dtype=torch.bool))
    told = torch.tensor([True, False, True, False]).expand(300, -1)
    mixed = told.clone()
    mixed[0] = False
    for together, apart in zip(guess(u, told), guess(u, mixed), strict=True):
        assert torch.allclose(together[1:], apart[1:], atol=1e-5)
