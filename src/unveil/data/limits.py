"""What a file of data may cost, whoever wrote it: every limit of the readers, and why it is where it is.

A file that asks for more is refused by a sentence that names the limit, before memory is taken or time is spent.
"""

from pathlib import Path

from ..errors import RequestError

MEBI = 2**20

# What becomes of a few bytes. Deflate, which .npz, .gz, .h5ad and .png use, makes at most 1,032 of one; no other data
# that says anything is packed as closely. Below the first so many bytes nobody asks.
EXPANSION = 1040
FREE = 64 * MEBI

# Text is packed less closely, and each of its lines takes time: numbers in text become a tenth, a bag of words of which
# one in 500 occurs a 240th.
TEXT_EXPANSION = 400

# Tables. A density of more columns than this is out of reach of every model here, and each costs a name, a form, a
# counter and a sentence. A cell holds a number or a word; a line that goes on for longer is no line of a table.
MAX_COLUMNS = 50_000
MAX_CELL = 1_000_000
MAX_DIGITS = 400  # of a whole number as text, beyond which float64 is infinite; Python reads at most 4,300
MAX_LABEL = 1_000  # characters of a label, which stands in every table and plot of a report

# Pictures. All but JPEG are decoded whole: 4 bytes a pixel, up to four times where parts are transparent, so that the
# largest takes about 1 GiB, and large ones are decoded one at a time. A JPEG is decoded at a fraction of its size.
MAX_PIXELS = 64_000_000
MAX_JPEG_PIXELS = 178_000_000  # above, Pillow itself refuses
LARGE = 8_000_000  # pixels, from which on one is decoded at a time
MAX_SIDE = 65_535  # of a picture, in pixels, as JPEG has it

# Texts in an .h5ad: names of variables and labels, all of them together.
MAX_TEXT = 1024 * MEBI
MAX_ATTRIBUTE = 64 * 1024

# Names of files, folders and columns, so that a sentence holds them.
MAX_NAME = 4_096
MAX_PART = 255  # bytes between two slashes, as file systems have it


def require_expansion(declared: int, stored: int, where: str, remedy: str = "", times: int = EXPANSION) -> None:
    """Refuse what a file says that it unpacks to, where no honest one is so small."""
    if declared > FREE + times * stored:
        raise RequestError(
            f"{where} declares {mebibytes(declared)} and {stored:,} bytes are stored for them, more than "
            f"{times:,} times as much: values that were never written, or a damaged or hostile file, refused.",
            remedy,
        )


def require_columns(count: int, path: Path | str) -> None:
    """Refuse a table of more columns than are taken."""
    if count > MAX_COLUMNS:
        raise RequestError(
            f"{path} has {count:,} columns; a table has at most {MAX_COLUMNS:,}.",
            "Give an array in .npy, or an .h5ad, for more.",
        )


def mebibytes(num_bytes: int) -> str:
    return f"{num_bytes / MEBI:,.0f} MiB" if num_bytes < 2**33 else f"{num_bytes / 2**30:,.1f} GiB"
