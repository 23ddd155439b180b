"""Whether z is worth what it costs: is it used, are its samples like data, and what can be read from it."""

from ..panels import Panel
from .exhibits import Group, Table, sentences
from .rounding import fixed, percent
from .tightness import Found, told

MEANING = {
    "precision": "samples that lie among held-out x",
    "recall": "held-out x that lie among samples",
    "density": "how many held-out x are around a sample",
    "coverage": "held-out x with a sample nearby",
}
MEASURES = (  # part, key, in words
    ("labels", "linear", "label, by a linear probe"),
    ("labels", "knn", "label, by nearest neighbours"),
    ("order", "linear", "which of two digits is above, by a linear probe"),
    ("order", "knn", "which of two digits is above, by nearest neighbours"),
    ("near", "trustworthiness", "trustworthiness: neighbours in the code are neighbours in x"),
    ("near", "continuity", "continuity: neighbours in x are neighbours in the code"),
    ("tree", "auc", "pairs of one subgroup are nearer than pairs of two groups"),
    ("tree", "spearman", "rank correlation with distances in the tree of groups"),
    ("factors", "mig", "MIG: each factor is in one dimension alone"),
    ("factors", "sap", "SAP: each factor is best read from one dimension alone"),
    ("factors", "disentanglement", "DCI disentanglement: a dimension tells about one factor"),
    ("factors", "completeness", "DCI completeness: one dimension tells about a factor"),
    ("factors", "informativeness", "DCI informativeness: the code tells the factors"),
)


def collapse(part: Found, title: str, _what: str) -> Panel:
    """What another example's z costs."""
    lead = (
        "The test gives every example the z of another example. A model that uses z gets much worse. A model that has "
        "collapsed does not change."
    )
    return Group(title, lead, sentences(*told(part)))


def codebook(part: Found, title: str, _what: str) -> Panel:
    """How many codes are used."""
    lead = (
        "A codebook is worth as many codes as the model uses. Its perplexity is the number of codes that would be "
        "enough if all were used equally often."
    )
    return Group(title, lead, sentences(*told(part)))


def quality(part: Found, title: str, _what: str) -> Panel:
    """Samples beside held-out x, and training examples as what a perfect model would reach."""
    samples, reference = part["samples"], part["reference"]
    rows = [[f"{k}: {said}", fixed(samples[k], 3), fixed(reference[k], 3)] for k, said in MEANING.items()]
    lead = (
        f"The table compares {part['num_samples']:,} samples with {part['num_heldout']:,} held-out x, by nearest "
        f"neighbours in {part['features']}. The last column takes training examples in place of samples. A perfect "
        "model would reach these numbers."
    )
    copied = (
        f"{percent(part['copied'])} of the samples are closer to a training example than 99 % of held-out x are. By "
        "chance 1 % would be. A much larger share would mean that the model repeats what it has seen."
    )
    return Group(title, lead, [*sentences(copied), Table("", "", ["", "samples", "training x"], rows)])


def structure(part: Found, title: str, _what: str) -> Panel:
    """What simple readers find in z, in pPCA codes and in x."""
    found = [(part[name], key, said) for name, key, said in MEASURES if part.get(name)]
    rows = [[said, *(_measured(codes.get(code), key) for code in ("z", "ppca", "x"))] for codes, key, said in found]
    guess = part.get("majority")
    guessed = f"Always guessing the most frequent label is right for {percent(guess)} of the examples."
    words = sentences("" if guess is None else guessed, _paths(part["paths"]) if part.get("paths") else "")
    head = ["", "z", f"pPCA, {part['dims']} dimension{'' if part['dims'] == 1 else 's'}", "x"]
    lead = (
        "The table shows what a simple reader finds in z. For comparison it shows the same for pPCA codes of as many "
        "dimensions, and for x itself."
    )
    return Group(title, lead, [*words, *([Table("", "", head, rows)] if rows else [])])


def _measured(code: Found | None, key: str) -> str:
    """A number with its standard error, where it has one."""
    if code is None or code.get(key) is None:
        return "–"
    stderr = code.get(f"{key}_stderr")
    return fixed(code[key], 3) + ("" if stderr is None else f" ± {fixed(stderr, 3)}")


def _paths(part: Found) -> str:
    ways = "; ".join(
        f"on {way} paths {fixed(part[f'{way}_jump'], 1)} and {fixed(part[f'{way}_length'], 1)}"
        for way in ("straight", "spherical")
    )
    return (
        "Two numbers describe decoded paths between two examples. The first is the largest step divided by the mean "
        "step. The second is the length of the path divided by the length of a straight line in x. They are "
        f"{ways}. A smooth decoder keeps both near 1."
    )
