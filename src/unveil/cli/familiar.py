"""Words of other tools: taken as ours where they mean one thing, and said; answered with advice where they do not."""

from collections.abc import Sequence

VERBS = {
    "train": "fit",
    "generate": "sample",
    "embed": "encode",
    "transform": "encode",
    "eval": "evaluate",
    "fill": "impute",
}
KEYS = {  # options of `fit` that take a value
    "--lr": "train.lr",
    "--learning-rate": "train.lr",
    "--batch-size": "train.batch_size",
    "--device": "train.device",
    "--threads": "train.threads",
    "--optimizer": "train.optimizer",
    "--weight-decay": "train.weight_decay",
    "--precision": "train.precision",
    "--patience": "train.patience",
    "--dropout": "model.dropout",
    "--width": "model.width",
    "--depth": "model.depth",
    "--label": "data.label",
    "--drop": "data.drop",
}
FLAGS = {"--gpu": "train.device=cuda", "--cuda": "train.device=cuda", "--cpu": "train.device=cpu"}
ADVICE = {
    "predict": "encode gives latents, score gives log p(x), and impute fills what is missing.",
    "detect": "score ranks rows by log p(x): the lowest are the oddest.",
    "test": "evaluate gives log p(x) of test examples.",
    "plot": "report makes the page with all pictures.",
    "--workers": "Batches are made by the process that trains; leave it out. train.threads=N sets its threads.",
    "--num-workers": "Batches are made by the process that trains; leave it out. train.threads=N sets its threads.",
    "--beta": "Give objective=beta_elbo objective.beta=4.",
}


def familiar(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The command line in our words, and the sentences that say what was taken as what."""
    if not words:
        return [], []
    verb, rest = words[0], list(words[1:])
    said = []
    if verb in VERBS:
        said.append(f"unveil {verb} is taken as unveil {VERBS[verb]}.")
        verb = VERBS[verb]
    if verb == "fit":
        rest, more = _keys(rest)
        said += more
    return [verb, *rest], said


def _keys(words: Sequence[str]) -> tuple[list[str], list[str]]:
    found, said, left = [], [], list(words)
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        option = name.replace("_", "-")
        if option in FLAGS and not equals:
            ours = FLAGS[option]
        elif option in KEYS and (equals or left):
            ours = f"{KEYS[option]}={value if equals else left.pop(0)}"
        else:
            found.append(word)
            continue
        found.append(ours)
        said.append(f"{name} is taken as {ours}.")
    return found, said
