"""The verbs that use a run: their files, their JSON, their tables."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

from cli.commands import Call, finish, start
from unveil import cli
from unveil.api import Run
from unveil.output.exports import write_x
from unveil.runs.store import RunStore

FIELDS = {
    "format", "source", "split", "binarization", "data_sha256", "num_examples", "estimator", "direction", "num_samples",
    "observed",
    "log_px", "log_px_sum", "stderr", "stderr_mc", "elbo", "rate", "distortion", "kl_per_group", "active_units",
    "bits_per_dim", "seconds", "seed", "device", "threads", "precision", "versions", "continuations",
}  # fmt: skip


def read_csv(path: Path) -> dict[str, np.ndarray]:
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def read_png(path: Path) -> np.ndarray:
    """Grey values [H, W]."""
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


def test_evaluate_gives_one_json_object(call: Call, folder: Path) -> None:
    done = finish(
        start("evaluate", "run", "--split", "valid", "--limit", "10", "--num-samples", "40", "--json", cwd=folder)
    )
    found = json.loads(done.out)
    assert done.code == 0 and done.err == ""
    assert set(found) >= FIELDS and next(iter(found)) == "format"
    assert (found["num_examples"], found["split"]) == (10, "valid")
    assert all(found[name] is not None or name in found["why"] for name in FIELDS)


def test_evaluate_repeats_the_result_of_the_run(call: Call, folder: Path) -> None:
    found, stored = json.loads(call("evaluate", "run", "--json").out), Run.load(folder / "run").result
    same = ("estimator", "num_samples", "num_examples", "data_sha256", "direction")
    assert [found[k] for k in same] == [stored[k] for k in same]
    assert found["log_px"] == pytest.approx(stored["log_px"], abs=1e-4)


def test_evaluate_takes_an_estimator_new_data_and_a_seed(call: Call) -> None:
    words = ("evaluate", "run", "--data", "new.npz", "--estimator", "elbo", "--num-samples", "3", "--json", "--seed")
    first, again, other = (json.loads(call(*words, seed).out) for seed in ("1", "1", "2"))
    assert (first["split"], first["estimator"], first["num_samples"], first["num_examples"]) == ("given", "elbo", 3, 20)
    assert first["log_px"] == again["log_px"] != other["log_px"]


def test_evaluate_says_it_in_a_table_and_a_sentence(call: Call) -> None:
    done = call("evaluate", "run", "--limit", "5", "--num-samples", "30")
    assert done.code == 0 and done.err == ""
    assert "\nrate " in done.out and "\nELBO " in done.out
    assert done.out.splitlines()[-1].startswith("log p(x) is at least -")
    assert "IWAE-30 on 5 examples of the test split" in done.out


def test_scores_are_a_row_per_example_and_equal_twice(call: Call, folder: Path) -> None:
    assert call("score", "run", "new.npz", "-o", "one.csv").code == 0
    assert call("score", "run", "new.npz:x", "-o", "two.csv").code == 0
    assert (folder / "one.csv").read_bytes() == (folder / "two.csv").read_bytes()
    table = read_csv(folder / "one.csv")
    assert list(table) == ["row", "log_px", "stderr", "percentile", "khat"]
    assert table["row"].tolist() == list(range(20))
    assert (table["log_px"] < 0).all() and ((table["percentile"] >= 0) & (table["percentile"] <= 100)).all()


def test_encodings_agree_in_every_format(call: Call, folder: Path) -> None:
    z = Run.load(folder / "run").encode(folder / "new.npz")
    for suffix in ("csv", "npz", "npy", "parquet"):
        assert (
            call("encode", "run", "new.npz", "-o", f"z.{suffix}").out == f"20 encodings of 32 latents in z.{suffix}\n"
        )
    table, archive = read_csv(folder / "z.csv"), np.load(folder / "z.npz")
    assert list(table) == [f"z_{i}" for i in range(32)] + [f"z_{i}_sd" for i in range(32)]
    assert np.array_equal(np.stack([table[f"z_{i}"] for i in range(32)], 1), z.mean.astype(np.float64))
    assert np.array_equal(archive["mean"], z.mean) and np.array_equal(archive["stddev"], z.stddev)
    assert np.array_equal(np.load(folder / "z.npy"), z.mean)
    columns = pyarrow.parquet.read_table(folder / "z.parquet").to_pydict()
    assert list(columns) == list(table) and np.array_equal(np.float32(columns["z_3_sd"]), z.stddev[:, 3])


def test_samples_are_pictures_or_numbers(call: Call, folder: Path) -> None:
    expected = Run.load(folder / "run").sample(9, seed=4, temperature=0.5)
    for name in ("s.png", "s.npz", "s.npy", "s.csv"):
        assert call("sample", "run", "-o", name, "-n", "9", "--seed", "4", "--temperature", "0.5").code == 0
    assert np.array_equal(np.load(folder / "s.npy"), expected)
    assert np.array_equal(np.load(folder / "s.npz")["x"], expected)
    assert read_csv(folder / "s.csv")["x_63"].tolist() == expected[:, 7, 7].tolist()
    height, width = read_png(folder / "s.png").shape
    assert width == height >= 512
    said = call("sample", "run", "-o", "again.png", "-n", "9", "--seed", "4", "--temperature", "0.5").out
    assert said == "9 samples in again.png (means E[x|z]; --draw adds the noise of p(x|z))\n"
    means = Run.load(folder / "run").sample(9, seed=4, temperature=0.5, mean=True)
    for name, x, *words in (("m.png", means, "--mean"), ("d.png", expected, "--draw")):
        done = call("sample", "run", "-o", name, "-n", "9", "--seed", "4", "--temperature", "0.5", *words)
        assert done.code == 0 and done.out == f"9 samples in {name}\n"
        write_x(folder / f"expected_{name}", x, Run.load(folder / "run").domain)
        assert np.array_equal(read_png(folder / name), read_png(folder / f"expected_{name}"))
    assert np.array_equal(read_png(folder / "s.png"), read_png(folder / "m.png"))
    assert not np.array_equal(read_png(folder / "s.png"), read_png(folder / "d.png"))
    both = call("sample", "run", "-o", "b.png", "--mean", "--draw")
    assert both.code == 2 and "--draw cannot be used with --mean" in both.err
    assert call("sample", "run", "-o", "mean.npy", "-n", "9", "--seed", "4", "--mean").code == 0
    assert not np.array_equal(np.load(folder / "mean.npy"), expected)


def test_reconstructions_stand_below_their_x(call: Call, folder: Path) -> None:
    x = np.load(folder / "new.npz")["x"]
    assert call("reconstruct", "run", "new.npz", "-o", "r.npz", "-n", "11").out == "11 reconstructions in r.npz\n"
    assert call("reconstruct", "run", "new.npz", "-o", "r.png", "-n", "11").code == 0
    assert np.array_equal(np.load(folder / "r.npz")["x"], x[:11])
    picture, scale = read_png(folder / "r.png"), 7  # 8 images of 8 + 2 pixels: 82 × 42
    pixels = picture[::scale, ::scale]
    assert pixels.shape == (42, 82)
    assert np.array_equal(pixels[22:30, 22:30], np.round(x[10] * (255 / 16))), "the 11th x is the 3rd of the third row"
    assert (pixels[22:, 32:] == 255).all(), "places without an example stay paper"
    assert call("reconstruct", "run", "-o", "own.npy").code == 0
    assert np.load(folder / "own.npy").shape == (16, 8, 8)


def test_interpolations_are_a_path_per_row(call: Call, folder: Path) -> None:
    words = ("interpolate", "run", "new.npz", "-n", "3", "--num-steps", "4", "-o")
    assert call(*words, "p.npy").out == "3 paths of 4 steps in p.npy\n"
    assert call(*words, "p.csv").code == call(*words, "p.png").code == 0
    x, table = np.load(folder / "p.npy"), read_csv(folder / "p.csv")
    assert x.shape == (3, 4, 8, 8)
    assert table["path"].tolist() == [0] * 4 + [1] * 4 + [2] * 4 and table["step"].tolist() == [0, 1, 2, 3] * 3
    assert np.allclose(table["x_20"], x.reshape(12, 64)[:, 20])
    assert call("interpolate", "run", "-o", "round.npy", "--spherical").code == 0
    assert np.load(folder / "round.npy").shape == (8, 10, 8, 8)


def test_report_prints_its_path(call: Call, folder: Path) -> None:
    (folder / "run" / "report.html").unlink()
    done = call("report", "run")
    assert done.out == f"{Path('run', 'report.html')}\n" and (folder / done.out.strip()).is_file()


def test_list_names_what_there_is(call: Call) -> None:
    everything = call("list").out
    assert "linear_gaussian" in everything and "digits" in everything
    for kind, name in {
        "models": "vae", "objectives": "elbo", "estimators": "iwae", "priors": "standard_normal",
        "posteriors": "diagonal_gaussian", "likelihoods": "bernoulli", "encoders": "mlp", "decoders": "conv",
        "sources": "digits",
    }.items():  # fmt: skip
        lines = dict(line.split("  ", 1) for line in call("list", kind).out.split("\n\n")[0].splitlines())
        assert lines[name].strip(), f"{name} is listed without a word about it"


def test_list_keys_tells_type_default_and_meaning(call: Call) -> None:
    lines = call("list", "keys").out.splitlines()
    assert lines[0].split() == ["key", "type", "default", "meaning"]
    (latent,) = (line for line in lines if line.startswith("model.latent") and "(vae)" in line)
    assert latent.split("  ")[0] == "model.latent" and "whole number" in latent and " 32 " in latent


def test_list_runs_tells_what_they_came_to(
    call: Call, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "There is no run" in call("list", "runs").out
    (tmp_path / "runs" / "broken").mkdir(parents=True)
    (tmp_path / "runs" / "broken" / "config.json").write_text("{")
    (tmp_path / "runs" / "whole").symlink_to(folder / "run", target_is_directory=True)
    out = call("list", "runs").out
    assert f"{Run.load(folder / 'run').result['log_px']:.2f}" in out and "cannot be read" in out


PLUGIN = """
from torch import nn
from unveil.priors import StandardNormal
from unveil.registry import register

@register("prior", "{name}")
class Mine(StandardNormal):
    '''A prior of one's own.'''

class Encoder(nn.Identity):
    pass
"""


def test_a_plugin_named_on_the_command_line_brings_its_parts(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unveil import registry
    from unveil.cli import load_plugin

    monkeypatch.setitem(registry._found, "prior", dict(registry.load_all("prior")))
    plugin = tmp_path / "my_parts.py"
    plugin.write_text(PLUGIN.format(name="mine"))
    assert call("fit", "x.npz", "--dry-run", "--steps", "3", "prior=mine").code == 2
    done = call("fit", "x.npz", "--dry-run", "--steps", "3", "prior=mine", "--plugin", str(plugin))
    assert json.loads(done.out)["model"]["prior"]["name"] == "mine"
    assert {"Encoder", "Mine"} <= set(load_plugin(plugin))
    plugin.write_text("1 / 0")
    done = call("evaluate", "run", "--plugin", str(plugin))
    assert done.code == 2 and "ZeroDivisionError" in done.err


def rate(run: RunStore) -> float:
    """The verb in its room."""
    return run.result["rate"]


COMMAND = """
import typer
from unveil.cli.app import RunPath, verb
from unveil.cli.shared import open_run

@verb("unveil rate runs/digits-vae-1")
def rate(run: RunPath) -> None:
    '''Say what the code costs.'''
    typer.echo(f"{open_run(run, None).rate():.3f} nats")
"""


def test_a_new_verb_is_a_function_a_line_of_run_and_a_command(
    call: Call, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rates.py").write_text(COMMAND)
    monkeypatch.setattr(cli, "__path__", [*cli.__path__, str(tmp_path)])
    monkeypatch.setattr(cli.app, "registered_commands", list(cli.app.registered_commands))
    monkeypatch.setattr(Run, "rate", lambda self: rate(self.store), raising=False)
    cli.find_verbs()
    monkeypatch.delitem(sys.modules, "unveil.cli.rates")
    assert call("rate", "run").out == f"{rate(RunStore.load(folder / 'run')):.3f} nats\n"
    assert "Say what the code costs." in call().out and "Example: unveil rate" in call("rate", "--help").out
    assert call("rate", "rnu").code == 2
