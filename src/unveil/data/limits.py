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

# Tables. A density of more columns than this is out of reach of every model here, and each costs a name, a form, a
# counter and a sentence. A cell holds a number or a word; a line that goes on for longer is no line of a table.
MAX_COLUMNS = 50_000
MAX_CELL = 1_000_000
MAX_DIGITS = 1_000  # of a number as text: float64 tells 17 apart, and Python reads at most 4,300 of an integer

# Pictures. All but JPEG are decoded whole: 4 bytes a pixel, up to four times where parts are transparent, so that the
# largest takes about 1 GiB, and large ones are decoded one at a time. A JPEG is decoded at a fraction of its size.
MAX_PIXELS = 64_000_000
MAX_JPEG_PIXELS = 250_000_000
LARGE = 8_000_000  # pixels, from which on one is decoded at a time
MAX_SIDE = 65_535  # of a picture, in pixels, as JPEG has it

# Texts in an .h5ad: names of variables and labels, all of them together.
MAX_TEXT = 1024 * MEBI
MAX_ATTRIBUTE = 64 * 1024

# Names of files and folders, so that a sentence holds them.
MAX_NAME = 4096


def require_expansion(declared: int, stored: int, where: str) -> None:
    """Refuse what a file says that it unpacks to, where no honest one is so small."""
    if declared > FREE + EXPANSION * stored:
        raise RequestError(
            f"{where} declares {mebibytes(declared)} and {stored:,} bytes are stored for them, more than "
            f"{EXPANSION:,} times as much: values that were never written, or a damaged or hostile file, refused."
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
