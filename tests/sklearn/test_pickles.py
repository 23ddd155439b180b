"""What a pickle of an estimator holds: its arguments, numbers, and the bytes of JSON and safetensors."""

from __future__ import annotations

import copy
import json
import pickle
import pickletools
import re
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from numpy.typing import NDArray

from unveil.errors import RequestError
from unveil.sklearn import LatentImputer, LatentModel

Array = NDArray[np.float64]
NUMPY = {"numpy", "numpy._core.multiarray", "numpy.core.multiarray", "_codecs"}


def named(content: bytes) -> set[str]:
    """module.name of everything that a pickle asks for."""
    found, texts = set(), list[str]()
    for code, value, _ in pickletools.genops(content):
        if code.name == "GLOBAL":
            found.add(str(value).replace(" ", "."))
        if code.name == "STACK_GLOBAL":
            found.add(".".join(texts[-2:]))
        if isinstance(value, str) and "UNICODE" in code.name:
            texts.append(value)
    return found


@pytest.mark.parametrize("protocol", [0, 2, pickle.HIGHEST_PROTOCOL])
def test_a_pickle_names_the_estimator_and_nothing_else_of_ours(exact: LatentModel, protocol: int) -> None:
    asked = named(pickle.dumps(exact, protocol))
    ours = {name for name in asked if name.startswith(("unveil", "torch", "sklearn"))}
    assert ours == {"unveil.sklearn.model.LatentModel"}
    others = {name.rpartition(".")[0] for name in asked - ours}
    assert others <= NUMPY | {"copyreg", "copy_reg", "builtins", "__builtin__"}


def test_the_model_is_json_and_safetensors(exact: LatentModel) -> None:
    state = exact.__getstate__()
    assert not any(hasattr(value, "forward") for value in state.values()) and "_opened" not in state
    kept = dict(state["pack_"])
    assert set(kept) == {"config.json", "data.json", "pack.json", "weights.safetensors", "scores.safetensors"}
    for name, content in kept.items():
        assert json.loads(content) if name.endswith(".json") else safetensors.numpy.load(content)


def test_what_comes_out_of_a_pickle_is_the_same(network: LatentModel, X: Array) -> None:
    for again in (pickle.loads(pickle.dumps(network)), copy.deepcopy(network)):
        assert np.array_equal(again.score_samples(X[:5]), network.score_samples(X[:5]))
        assert np.array_equal(again.transform(X), network.transform(X)) and again.offset_ == network.offset_
        assert pickle.dumps(again) == pickle.dumps(network)  # also after it was opened


def test_an_imputer_is_kept_alike(X: Array) -> None:
    fitted = LatentImputer(model="linear_gaussian", steps=2).fit(X)
    again = pickle.loads(pickle.dumps(fitted))
    holes = np.where(np.arange(3) == 1, np.nan, X[:4])
    assert np.array_equal(again.transform(holes), fitted.transform(holes))
    assert set(fitted.pack_) == {"config.json", "data.json", "pack.json", "weights.safetensors"}


def test_a_pickle_that_was_changed_is_refused_and_writes_nothing_elsewhere(exact: LatentModel, tmp_path: Path) -> None:
    again = copy.deepcopy(exact)
    again.pack_ = {**again.pack_, str(tmp_path / "x"): b"x"}
    with pytest.raises(RequestError, match=r"a pack holds config\.json"):
        again.sample()
    assert not (tmp_path / "x").exists()


def test_a_pickle_that_is_damaged_is_refused_in_a_sentence(exact: LatentModel) -> None:
    for name, said in (("weights.safetensors", "weights.safetensors"), ("data.json", "data.json")):
        again = copy.deepcopy(exact)
        again.pack_[name] = again.pack_[name][:-8]
        with pytest.raises(RequestError, match=f"cannot be opened: {re.escape(said)}.*Fit it anew"):
            again.sample()
    again = copy.deepcopy(exact)
    again.pack_.pop("config.json")
    with pytest.raises(RequestError, match=r"its pack is not a run: it has no config\.json"):
        again.sample()
