"""How far the training of a run went, and the command that takes it further."""

from dataclasses import dataclass

from ..legible import quoted
from ..runs.store import RunStore

BEGUN = ((3.0, 2_000), (1.5, 5_000))  # passes and steps: below both of a pair, training has hardly begun
FEWEST = 50  # steps that no training gets far with


@dataclass(frozen=True)
class Effort:
    """The training of a run so far.

    Arguments: steps, of all phases; passes over the training examples; solved, whether a step is one pass of a closed
    form, which more steps do not improve on; longer, the command that trains further.
    """

    steps: int
    passes: float
    solved: bool
    longer: str

    @staticmethod
    def of(run: RunStore) -> "Effort":
        steps = sum(phase.steps for phase in run.config.phases)
        seen = sum(phase.steps * phase.batch_size for phase in run.config.phases)
        passes = seen / run.data_info["split"]["sizes"]["train"]
        more = max(20, round(passes))
        longer = f"unveil resume {quoted(run.path)} --epochs {more}"
        if run.config.in_memory:
            longer = f"{run.opened}.resume(epochs={more})"
        return Effort(steps, passes, run.model.solves == "all", longer)

    @property
    def hardly_begun(self) -> bool:
        few = any(self.passes < passes and self.steps < steps for passes, steps in BEGUN)
        return not self.solved and (few or self.steps < FEWEST)

    @property
    def words(self) -> str:
        """ "12 steps, 0.9 passes over the training examples"."""
        steps = f"{self.steps:,} step{'' if self.steps == 1 else 's'}"
        return f"{steps}, {self.passes:.1f} passes over the training examples"
