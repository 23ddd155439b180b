"""The best bound so far, and when training is no longer coming on."""

from unveil.fitting.trainer import Best


def test_training_that_rises_from_below_a_good_start_is_not_stopped() -> None:
    """The start is the best all along; patience counts from the best after an update."""
    best = Best()
    assert best.take(-4.0, True) and best.since == 0
    for bound in (-11.0, -6.0, -5.0):
        assert not best.take(bound, False) and best.since == 0
    assert not best.take(-5.5, False) and best.since == 1
    assert not best.take(-5.2, False) and best.since == 2 and best.bound == -4.0
    assert best.take(-3.9, False) and (best.bound, best.trained, best.since) == (-3.9, -3.9, 0)


def test_without_a_judged_start_patience_counts_from_the_best() -> None:
    best = Best()
    assert best.take(-4.0, False) and not best.take(-4.5, False) and best.since == 1
    assert (best.bound, best.trained) == (-4.0, -4.0)
