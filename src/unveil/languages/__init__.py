"""Languages: what a person reads, said in another one where it is shown. Files of a run hold English alone.

A language is a folder of text files of its name: an English sentence, its translation below it, an empty line. Both
have the same holes, and the first letter of a hole says what may stand there: `{n}` numbers and signs, `{x}` what stays
as it is (a command, a formula), `{d}` a name of the data alone, `{t}` words that are translated themselves, `{o}` the
same or nothing.

What no sentence of the language matches stays English: nothing is lost. Lowest of the rooms; imports only errors.
"""

from .choice import LANGUAGES, checked
from .speaking import speaking, spoken
from .tongue import ENGLISH, Tongue

__all__ = ["ENGLISH", "LANGUAGES", "Tongue", "checked", "speaking", "spoken"]
