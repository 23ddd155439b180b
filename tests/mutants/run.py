"""One-line faults, each of which must turn a test red: the tests are tested.

Usage: python tests/mutants/run.py [NAME …]      (`make mutants` runs them all)

Every fault is applied alone, to a copy of the tree; then the tests named beside it run there until the first failure.
Before the faults, the same tests must pass on an unchanged copy. Exit status 1 when a fault survives.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Mutant:
    """A fault: in `file`, `old` (which must stand there once) becomes `new`; `tests` should notice."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        "gaussian-constant-dropped",
        "models/linear_gaussian/linear_gaussian.py",
        "seen.sum(-1) * math.log(2 * math.pi) + log_det",
        "seen.sum(-1) * 0.0 + log_det",
        ("tests/exact",),
    ),
    Mutant(
        "mean-for-sum",
        "ops.py",
        "return x.sum(dim=tuple(range(-event_ndim, 0))) if event_ndim else x",
        "return x.mean(dim=tuple(range(-event_ndim, 0))) if event_ndim else x",
        ("tests/test_likelihoods.py",),
    ),
    Mutant(
        "analytic-kl-in-iwae",
        "terms.py",
        "return self.log_px_z + (self.log_pz - self._sampled_q()).sum(-1)",
        "return self.log_px_z - self.rate.sum(-1)",
        ("tests/exact",),
    ),
    Mutant(
        "log-k-forgotten",
        "ops.py",
        "return torch.logsumexp(log_w, dim) - math.log(log_w.shape[dim])",
        "return torch.logsumexp(log_w, dim)",
        ("tests/exact",),
    ),
    Mutant(
        "last-block-dropped",
        "data/rowblocks.py",
        "for first in range(0, count, ROWS):",
        "for first in range(0, max(ROWS, count - ROWS + 1), ROWS):",
        ("tests/data/test_rowblocks.py", "tests/test_estimators.py", "tests/contracts/test_estimators.py"),
    ),
    Mutant(
        "jacobian-dropped",
        "likelihoods/real.py",
        "return (self.scale * ((self.pace * self.log_sigma).exp() + self.floor)).expand_as(like)",
        "return ((self.pace * self.log_sigma).exp() + self.floor).expand_as(like)",
        ("tests/test_likelihoods.py",),
    ),
    Mutant(
        "average-never-updated",
        "train/ema.py",
        "torch._foreach_lerp_(self._mean, self._live, 1 - keep)",
        "torch._foreach_lerp_(self._mean, self._live, 0.0)",
        ("tests/test_train.py",),
    ),
    Mutant(
        "resume-from-zero",
        "trainer.py",
        "self.state.load(found.tensors, found.step - first,",
        "self.state.load(found.tensors, 0,",
        ("tests/resume",),
    ),
    Mutant(
        "sampler-position-lost",
        "train/order.py",
        "first = step * batch_size",
        "first = 0 * batch_size",
        ("tests/test_train.py",),
    ),
    Mutant(
        "test-row-in-training",
        "data/loading.py",
        "return (np.sort(order[2 * tenth :]),",
        "return (np.sort(order[2 * tenth - 1 :]),",
        ("tests/data/test_data_splits.py",),
    ),
    Mutant(
        "beta-ignored",
        "objectives/elbo.py",
        "surrogate=distortion + beta * rate + penalty",
        "surrogate=distortion + rate + penalty",
        ("tests/test_objectives.py",),
    ),
    Mutant(
        "dreg-weight-not-squared",
        "objectives/pathwise.py",
        "share**2 * log_w",
        "share * log_w",
        ("tests/test_objectives_gradients.py",),
    ),
    Mutant(
        "rloo-keeps-its-own-draw",
        "objectives/score.py",
        "(log_w.sum(0) - log_w) / (K - 1)",
        "log_w.sum(0) / K",
        ("tests/test_objectives_gradients.py",),
    ),
    Mutant(
        "x-through-bf16",
        "models/vae.py",
        ".log_prob(batch.x)",
        ".log_prob(batch.x.bfloat16().float())",
        ("tests/test_train.py",),
    ),
    Mutant(
        "shuffled-z-compared-with-itself",
        "diagnostics/collapse.py",
        "foreign = tuple(g[:, order] for g in z)",
        "foreign = tuple(g[:, order.sort().values] for g in z)",
        ("tests/test_collapse.py",),
    ),
    Mutant(
        "reverse-ais-with-forward-weights",
        "estimators/ais.py",
        "upper = -log_mean_exp(-log_w_back)",
        "upper = log_mean_exp(log_w_back)",
        ("tests/test_ais.py",),
    ),
    Mutant(
        "pilot-saw-z",
        "estimators/pilot.py",
        "here = path.at(path.draw(CHAINS))",
        "here = path.at(path.known()[0].expand(CHAINS, -1, -1))",
        ("tests/test_ais.py",),
    ),
    Mutant(
        "every-proposal-accepted",
        "estimators/hmc.py",
        "return torch.rand_like(gain) < gain.exp()",
        "return torch.rand_like(gain) < 2",
        ("tests/test_ais.py",),
    ),
)


def copy_tree(to: Path) -> None:
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "constraints.txt", "README.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, to / name)


def apply(mutant: Mutant, tree: Path) -> None:
    path = tree / "src" / "unveil" / mutant.file
    text = path.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        sys.exit(f"{mutant.name}: {mutant.file} holds {mutant.old!r} {text.count(mutant.old)} times; mend the mutant")
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")


def passes(tree: Path, tests: tuple[str, ...], show: bool = False) -> bool:
    environment = os.environ | {"PYTHONPATH": str(tree / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    if done.returncode not in (0, 1):  # not a red test: pytest could not run
        sys.exit(f"pytest ended with status {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    if show and done.returncode:
        print(done.stdout[-3000:], file=sys.stderr)
    return done.returncode == 0


def main(names: list[str]) -> int:
    chosen = [m for m in MUTANTS if not names or m.name in names]
    if unknown := set(names) - {m.name for m in MUTANTS}:
        sys.exit(f"no such mutant: {', '.join(sorted(unknown))}; there are {', '.join(m.name for m in MUTANTS)}")
    survived = []
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "sound"
        copy_tree(sound)
        for tests in sorted({m.tests for m in chosen}):
            if not passes(sound, tests, show=True):
                sys.exit(f"{' '.join(tests)} fails without any fault; mend that first")
        for mutant in chosen:
            tree, start = Path(folder) / mutant.name, time.perf_counter()
            copy_tree(tree)
            apply(mutant, tree)
            alive = passes(tree, mutant.tests)
            survived += [mutant.name] if alive else []
            print(
                f"{'SURVIVED' if alive else 'caught':9} {mutant.name:28} {time.perf_counter() - start:6.1f} s",
                flush=True,
            )
            shutil.rmtree(tree)
    print(f"{len(chosen) - len(survived)} of {len(chosen)} faults were caught")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
