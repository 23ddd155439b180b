"""Names and paths from elsewhere as text that any stream can say, any file can hold, a shell takes and a page has room
for.

A path may hold bytes that are no UTF-8; Python keeps each of them as one half of a surrogate pair, which no encoding
can write. Here it is shown as `\\xff`.
"""

import os
import shlex

ASCII = {
    "░": ".", "▒": ":", "▓": "*", "█": "#", "×": "x", "±": "+-", "−": "-", "–": "-", "—": "-", "…": "...",
    "▁": "_", "▂": "_", "▃": "-", "▄": "-", "▅": "=", "▆": "=", "▇": "#",
    "≤": "<=", "≥": ">=", "→": "->", "·": ".", "σ": "sigma", "β": "beta", "α": "alpha",
    "√": "sqrt ", "Σ": "sum ", "‖": "||",
}  # fmt: skip
ESCAPED = range(0xDC80, 0xDD00)  # how Python keeps the bytes 0x80 to 0xff of a path that is no UTF-8
SURROGATES = range(0xD800, 0xE000)


def readable(text: str, encoding: str = "utf-8") -> str:
    """`text` in the characters that an encoding has."""
    try:
        text.encode(encoding)
        return text
    except LookupError:
        return readable(text, "ascii")
    except UnicodeEncodeError:
        return "".join(letter if _has(encoding, letter) else other(letter) for letter in text)


def other(letter: str) -> str:
    """What stands for a character that cannot be written."""
    code = ord(letter)
    if code in ESCAPED:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if code in SURROGATES else ASCII.get(letter, "?")


def in_other_letters(error: UnicodeError) -> tuple[str, int]:
    """`readable` as an error handler of a stream."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(other, error.object[error.start : error.end])), error.end


def _has(encoding: str, letter: str) -> bool:
    try:
        letter.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def quoted(path: str | os.PathLike[str]) -> str:
    """A path as a shell takes it for itself and a command for no option: `./-x`, `'a b'`, `$'line\\nend'`."""
    text = os.fspath(path)
    text = f"./{text}" if text.startswith("-") else text
    return shlex.quote(text) if text.isprintable() else f"$'{''.join(map(_escaped, text))}'"


def _escaped(letter: str) -> str:
    """A character within $'…'."""
    if letter.isprintable():
        return f"\\{letter}" if letter in "\\'" else letter
    code = ord(letter)
    came = bytes([code - 0xDC00]) if code in ESCAPED else letter.encode("utf-8", "surrogatepass")
    return "".join(f"\\x{byte:02x}" for byte in came)


def shortened(text: str, most: int) -> str:
    """At most so many characters: the first and the last of a longer text, with … between them."""
    if len(text) <= most:
        return text
    last = (most - 1) // 3
    return f"{text[: most - 1 - last]}…{text[len(text) - last :]}"
