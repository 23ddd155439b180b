"""From names and plain values to objects: keys, their types and defaults come from the constructors' signatures."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from ..domain import choices


@dataclass(frozen=True)
class TrainOptions:
    """How to train. "auto" is resolved once, before the first step, and written to config.json.

    Arguments:
        epochs: the budget in passes over the training set.
        steps: the budget in updates.
        minutes: the budget for the whole command; becomes a number of steps after a short timed warm-up.
        batch_size: examples per update; auto follows the number of examples, and halves until a step fits in memory.
        optimizer: the update rule.
        lr: the peak learning rate.
        schedule: of the learning rate after its warm-up.
        warmup: share of the steps over which the learning rate rises from 0.
        weight_decay: decoupled, on matrices and kernels only.
        clip: the largest gradient norm.
        ema_half_life: of the averaged weights, in examples; 0 keeps none; auto is 1 % of the training.
        patience: validations without a better bound before training stops, from its first quarter on; 0 never does.
        plateau: validations without a better bound after which schedule=plateau halves the learning rate.
        finish: objective of a last stage, such as iwae or dreg, from the best weights so far; none has no such stage.
        finish_share: share of the steps that the finish takes.
        prior_share: share of the steps, at the very end, in which the prior moves alone and all else is held; auto
            takes none, but for a model that needs it (vqvae, joint).
        encoder_steps: updates of the encoder alone before each update of everything (aggressive training).
        aggressive_share: share of the main stage, from its start, that has such updates.
        valid_every: steps between validations (and checkpoints); auto makes about 25, fewer in a few minutes.
        precision: bf16 runs encoder and decoder in bfloat16 while training; densities and evaluation stay float32.
        compile: compile objective and model as one module; auto does where the run is long enough to repay it.
        threads: processor threads; auto takes one for a small model, which a second only slows down, else all.
        device: cpu, cuda, cuda:1, mps, …
    """

    epochs: int | None = None
    steps: int | None = None
    minutes: float | None = None
    batch_size: int | Literal["auto"] = "auto"
    optimizer: Literal["adamw", "adam", "adamax"] = "adamw"
    lr: float | Literal["auto"] = "auto"
    schedule: Literal["cosine", "constant", "plateau"] = "cosine"
    warmup: float = 0.02
    weight_decay: float | Literal["auto"] = "auto"
    clip: float = 200.0
    ema_half_life: float | Literal["auto"] = "auto"
    patience: int = 10
    plateau: int = 3
    finish: str = "none"
    finish_share: float = 0.25
    prior_share: float | Literal["auto"] = "auto"
    encoder_steps: int = 0
    aggressive_share: float = 0.2
    valid_every: int | Literal["auto"] = "auto"
    precision: Literal["auto", "float32", "bf16"] = "auto"
    compile: bool | Literal["auto"] = "auto"
    threads: int | Literal["auto"] = "auto"
    device: str = "auto"


@dataclass(frozen=True)
class DataOptions:
    """How to read the data.

    Arguments:
        binarization: of grey images: a fresh draw each time (dynamic), one fixed draw (static), a threshold, or none.
        domain: what the values are; auto recognises it and says so.
        levels: the number of levels; 0 counts them.
        seed: of the split and of the fixed draws; untouched by --seed.
        label: the column of a table that is taken as labels.
        drop: columns of a table that are left out, separated by commas.
        header: of a table of text: the first line names the columns (first) or is a row (none), or the number of the
            line that names them; auto takes the first as names, or as a row where it can be nothing else.
        decimal: the mark before fractions in numbers written as text; auto finds it.
        na_values: more texts and numbers in a table, or numbers in an array, that stand for a missing value, separated
            by commas, as -999.
        kinds: what columns of a table are taken for, as pclass=ordinal,id=drop,when=date; auto recognises each.
        missing: of a table of mixed columns: which cells are missing is left out (ignored), or is part of log p, by a
            probability of each cell that hangs on its value (informative).
        size: of images: cut to squares and resized to this; auto keeps those of one size up to 64, else takes 64.
        skip_broken: leave out image files that cannot be read, instead of refusing.
        text: texts that go with pictures: own, those of the source, or a table of files and texts; the model joint
            takes own unless told.
        z: of pictures with texts: text, z is the vector of the text, and x the picture alone; the table of texts holds
            the numbers of each after it.
    """

    binarization: Literal["auto", "dynamic", "static", "threshold", "none"] = "auto"
    domain: Annotated[str, choices] = "auto"
    levels: int = 0
    seed: int = 0
    label: str = ""
    drop: str = ""
    header: int | Literal["auto", "first", "none"] = "auto"
    decimal: Literal["auto", ".", ","] = "auto"
    na_values: str = ""
    kinds: str = ""
    missing: Literal["ignored", "informative"] = "ignored"
    size: int | Literal["auto"] = "auto"
    skip_broken: bool = False
    text: str = ""
    z: Literal["", "text"] = ""

    def beside(self, **given: Any) -> dict[str, Any]:
        """What `load` takes: these, and in their place what was given in memory; None is nothing given."""
        return vars(self) | {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class EvaluationOptions:
    """How the result and scores are judged.

    Arguments:
        estimator: of log p(x); auto is exact where there is a closed form, else iwae.
        num_samples: K; auto takes what a share of the budget allows.
        baselines: simple models to compare with; none saves their time.
    """

    estimator: str = "auto"
    num_samples: int | Literal["auto"] = "auto"
    baselines: Literal["auto", "none"] = "auto"
