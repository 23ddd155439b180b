"""Texts of the same words in another order: which are, and what a report shows of them."""

from __future__ import annotations

import numpy as np
import pytest

from quick import fitted
from unveil.data.scenes import english, every_scene
from unveil.evaluation.jointly import complete
from unveil.panels import Strip
from unveil.report.exhibits import Plot, Table
from unveil.report.sections.words import texts_of
from unveil.report.subject import Subject
from unveil.report.wordmap import where_both_stand
from unveil.report.wordorder import swapped_pairs, word_order


def test_pairs_are_of_the_same_words_and_another_order() -> None:
    texts = [
        "a cat chases a mouse",
        "a mouse",
        "a mouse chases a cat",
        "a cat",
        "猫追鼠",
        "鼠追猫",
        "a cat chases a mouse",
    ]
    assert swapped_pairs(texts) == [(0, 2), (4, 5)]
    assert swapped_pairs(["a b", "a b", "a b c", "x", ""]) == []
    scene = every_scene()[3]
    assert swapped_pairs([english(scene), english(scene.swapped)]) == [(0, 1)]


def test_a_report_shows_both_orders_and_where_both_stand(tmp_path_factory: pytest.TempPathFactory) -> None:
    rng = np.random.default_rng(0)
    x = (rng.random((120, 8, 8)) < 0.3).astype(np.uint8)
    texts = [("a b", "b a")[i % 2] for i in range(120)]
    x[::2, :4], x[1::2, 4:] = 1, 1
    path = tmp_path_factory.mktemp("order") / "run"
    keys = {"model": "joint", "model__latent": 3, "model__width": 16, "train__lr": 5e-3, "steps": 150, "text": texts}
    subject = Subject.of(fitted(x, path, **keys).store)
    test = complete(subject.test, subject.domain)
    painted, told = word_order(subject, test, texts_of(subject, test))
    assert isinstance(painted, Strip) and isinstance(told, Table) and set(painted.row_labels) == {"a b", "b a"}
    above = {
        label: float(row[0, :4].mean() - row[0, 4:].mean())
        for label, row in zip(painted.row_labels, painted.rows, strict=True)
    }
    assert above["a b"] > 0.3 and above["b a"] < -0.3
    assert all(float(own.replace("−", "-")) > float(other.replace("−", "-")) for _, own, other in told.rows)
    assert word_order(subject, test, ["a"] * len(test)) == []
    plot = where_both_stand(subject, test, texts_of(subject, test))
    assert isinstance(plot, Plot)
    pictures, words = plot.figure["data"]
    assert len(pictures["x"]) == len(words["x"]) == len(test) and words["text"] == texts_of(subject, test)
