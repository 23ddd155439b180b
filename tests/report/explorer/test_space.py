"""The coordinates of an explorer: z itself, or the main directions of many latents."""

from __future__ import annotations

import torch

from report.conftest import seen_moments
from unveil.report.explorer.space import DIRECTIONS, pairs, prior_places, space_of
from unveil.report.planes import main_directions
from unveil.runs.store import RunStore


def test_few_latents_are_their_own_coordinates(vectors: RunStore) -> None:
    space = space_of(vectors.model, seen_moments(vectors)[0])
    c = torch.randn(3, 2)
    assert space.is_whole and space.size == 2
    assert torch.equal(space.groups(c)[0], c) and torch.equal(space.of(c), c)


def test_groups_are_moved_along_their_main_directions(ladder: RunStore) -> None:
    means, stddevs = seen_moments(ladder)
    space = space_of(ladder.model, means)
    assert not space.is_whole and 1 < space.size <= DIRECTIONS
    assert space.basis is not None and torch.allclose(space.basis @ space.basis.T, torch.eye(space.size), atol=1e-4)
    c = space.of(means)
    groups = space.groups(c[:4])
    assert [group.shape[1:] for group in groups] == list(space.shapes)
    back = space.of(torch.cat([group.flatten(1) for group in groups], 1))
    torch.testing.assert_close(back, c[:4], rtol=1e-3, atol=1e-3)
    first = (stddevs**2 @ (space.basis**2).T).sqrt()
    torch.testing.assert_close(space.spread(stddevs), first)


def test_the_main_directions_hold_most_of_the_variance() -> None:
    torch.manual_seed(0)
    places = torch.randn(500, 5) * torch.tensor([3.0, 0.1, 2.0, 0.1, 0.1]) + 7
    centre, V, share = main_directions(places)
    assert torch.allclose(centre, places.mean(0)) and share > 0.99
    assert V[0].abs().argmax() == 0 and V[1].abs().argmax() == 2 and bool((V.max(1).values > 0.9).all())


def test_the_prior_is_drawn_in_the_same_coordinates(vectors: RunStore) -> None:
    space = space_of(vectors.model, seen_moments(vectors)[0])
    places = prior_places(vectors.model, space)
    assert torch.equal(places, prior_places(vectors.model, space)) and places.shape[1] == 2


def test_pairs_of_the_first_coordinates() -> None:
    assert pairs([4, 2, 9], 2) == [(4, 2)] and len(pairs(range(9))) == 6
