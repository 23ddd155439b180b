"""Files of text as they are found: their encoding, and the lines above and in a table that are no rows of it."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from ..errors import RequestError
from .compressed import CHUNK, opened
from .foreign import require_text
from .limits import MAX_CELL
from .raw import MISSING
from .tablecolumns import is_number
from .tablelines import COMMENTS
from .writtennumbers import decimals

PEEK = 100  # lines that are looked at first
TOLD = re.compile(r'"?sep=(.|\\t)"?\s*', re.IGNORECASE)  # the first line that spreadsheets write and read
BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),  # the first begins as that of 16 bits does
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
WIDE = 0.4  # share of zero bytes at every second place that tells of 16 bits without a mark
HIGH = re.compile(rb"[\x80-\xff]+")
SAMPLE = 1_000_000  # bytes by which the language of a file is told
FEWEST_PAIRS, MOSTLY, OFTEN = 12, 0.9, 0.25  # letters that tell; the share of even runs, and of frequent letters
FREQUENT = {
    "gb18030": (
        "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家"
        "种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心本前开但因只从想实日军者意无力它与长把机十民第"
        "公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应向头文体政美相见被利什二等产或新己制身果加西月话合回特"
        "代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入口认条平系气题活尔更别打女变四神总何电数安"
        "少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展司五基眼书非则听白却界达光放强"
        "即像权思王完设式色路记南品住告类求据程北边张该交规万取格望觉领共确传师观清今切院让识候带争运男省县编号姓龄价备注城村"
        "镇街李刘陈杨黄赵周吴徐孙广京津沪州湖江河"
    ),
    "cp949": (
        "이다는의가에을지고기리사하로한서대인도자시나정를아스어일주만은그수부전으장제해동구신공면원과보조상방안진우경여유선소성"
        "미비오연라산울남여자천광강세명김박최윤임송영현준민재호중국학생년월번름별구군읍면값격량름"
    ),
}  # fmt: skip
UNIT = 15  # characters of a unit, at most
BRACKETS = re.compile(r"\[.*\]|\(.*\)|<.*>")
TOTALS = frozenset(
    (
        "total", "totals", "grand total", "subtotal", "sum", "sums", "mean", "average", "avg", "gesamt", "summe",
        "gesamtsumme", "mittelwert", "somme", "moyenne", "totale", "somma", "media", "suma", "promedio", "soma",
    )
)  # fmt: skip


@dataclass(frozen=True)
class TextFile:
    """A file of text.

    Arguments: path; encoding; above, the lines above the table; separator that the first line tells, or ""; named,
    whether somebody said which line names the columns; held, of a sheet its rows; said, what to say of how it was read.
    """

    path: Path
    encoding: str = "utf-8-sig"
    above: tuple[str, ...] = ()
    separator: str = ""
    named: bool = False
    held: Sequence[list[str]] | None = None
    said: tuple[str, ...] = ()

    def rows(self, separator: str) -> Iterator[tuple[int, list[str]]]:
        """The number of the last line of each row, from 1 in the file, and its cells; none of an empty line."""
        if self.held is not None:
            skipped = len(self.above)
            yield from ((i, list(cells)) for i, cells in enumerate(self.held[skipped:], skipped + 1))
            return
        most = csv.field_size_limit(MAX_CELL)
        try:
            with opened(self.path) as binary, io.TextIOWrapper(binary, encoding=self.encoding, newline="") as stream:
                for _ in self.above:
                    stream.readline()
                reader = csv.reader(stream, delimiter=separator, strict=True)
                for cells in reader:
                    yield reader.line_num + len(self.above), cells
        except csv.Error as error:
            if "field limit" not in str(error):
                raise
            raise RequestError(
                f"A cell of {self.path} goes on for more than {MAX_CELL:,} characters.",
                "A quote that does not end may be the cause; else leave that column out of the file.",
            ) from error
        finally:
            csv.field_size_limit(most)

    @property
    def is_plain(self) -> bool:
        """Whether its bytes are those of a table in UTF-8 and nothing else."""
        return self.encoding == "utf-8-sig" and not self.above and self.held is None

    @property
    def notes(self) -> tuple[str, ...]:
        """What to say of how it is read."""
        name, said = self.path.name, list(self.said)
        if self.encoding not in ("utf-8-sig", "utf-16", "utf-32"):
            said.append(
                f"{name} is not in UTF-8 and is read as {self.encoding}; write it again where letters are wrong."
            )
        told = [line for line in self.above if line.strip() and not TOLD.fullmatch(line)]
        if told and not self.named:
            what, are = ("1 line", "is") if len(told) == 1 else (f"{len(told)} lines", "are")
            said.append(f"{what} above the table in {name} {are} left out, first {told[0].strip()[:40]!r}.")
        return tuple(said)


def text_file(path: Path, header: int | str = "auto", said: tuple[str, ...] = ()) -> TextFile:
    """A file with what stands above its table.

    Arguments: header, the number of the line that names the columns, or as of `read_table`; said, as of `TextFile`.
    """
    require_text(path)
    encoding = _encoding(path)
    with opened(path) as binary, io.TextIOWrapper(binary, encoding=encoding, newline="") as stream:
        first = list(islice(stream, PEEK if isinstance(header, str) else header))
    return _below_what_stands_above(TextFile(path, encoding, said=said), first, header)


def sheet_file(path: Path, rows: Sequence[list[str]], said: tuple[str, ...], header: int | str = "auto") -> TextFile:
    """The rows of a sheet with what stands above its table, as of `text_file`; said, what to say of it."""
    lines = [",".join(row) for row in rows[: PEEK if isinstance(header, str) else header]]
    return _below_what_stands_above(TextFile(path, separator=",", held=rows, said=said), lines, header)


def _below_what_stands_above(file: TextFile, first: Sequence[str], header: int | str) -> TextFile:
    """The file with the lines above its table, which are among the first."""
    if not first:
        raise RequestError(f"{file.path} is empty: it has no line.")
    lines = [line.rstrip("\r\n") for line in first]
    told = TOLD.fullmatch(lines[0])
    separator = told[1].replace("\\t", "\t") if told else file.separator
    if isinstance(header, str):
        return replace(file, above=tuple(lines[: _above(lines, separator)]), separator=separator)
    if len(lines) < header:
        raise RequestError(f"data.header={header} came, and {file.path} has {len(lines)} lines.", "Give one of them.")
    return replace(file, above=tuple(lines[: header - 1]), separator=separator, named=True)


def _above(lines: Sequence[str], separator: str) -> int:
    """How many lines stand above a table: one that tells the separator, comments, and empty ones before others."""
    count = 1 if lines and TOLD.fullmatch(lines[0]) else 0
    while count < len(lines) and (not lines[count].strip() or lines[count].startswith(COMMENTS)):
        count += 1
    if count == len(lines):
        return 0
    if count and lines[count - 1].startswith(COMMENTS) and _is_header(lines[count - 1 : count + 1], separator):
        count -= 1
    return count


def _is_header(lines: Sequence[str], separator: str) -> bool:
    """Whether a line that begins like a comment names columns: as many as the next line has cells, some of numbers."""
    for mark in (separator, ",", ";", "\t", "|"):
        if mark:
            above, below = (line.split(mark) for line in lines)
            if len(above) == len(below) > 1 and any(is_number(cell) for cell in below):
                return True
    return False


def _encoding(path: Path) -> str:
    """That of a mark at its beginning, UTF-8, UTF-16 without a mark, or what is usual in China, Korea and the west."""
    decoder, decoded, zeros, line = codecs.getincrementaldecoder("utf-8")(), True, 0, 1
    with opened(path) as stream:
        chunk = stream.read(CHUNK)
        for mark, name in BOMS:
            if chunk.startswith(mark):
                return name
        if wide := _wide(chunk):
            return wide
        while chunk:
            if not zeros:
                before, _, _ = chunk.partition(b"\0")
                line, zeros = line + before.count(b"\n"), len(before) < len(chunk)
            decoded = decoded and _decodes(decoder, chunk)
            chunk = stream.read(CHUNK)
    if zeros:
        _refuse_zeros(path, line)
    return "utf-8-sig" if decoded and _decodes(decoder, b"", final=True) else _eastern(path) or _western(path)


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def _wide(chunk: bytes) -> str:
    """The order of bytes of 16-bit text without a mark, or ""."""
    if len(chunk) < 4:
        return ""
    even, odd = (chunk[i::2].count(0) / len(chunk[i::2]) for i in (0, 1))
    return "utf-16-le" if odd > WIDE > even else "utf-16-be" if even > WIDE > odd else ""


def _eastern(path: Path) -> str:
    """gb18030 or cp949, or "" where it is neither, or there is too little text to tell.

    Both write a letter as two bytes, nearly all of them from 0xa1 on, so that they stand in even runs. What Windows
    writes elsewhere may do so, too. Therefore enough of the letters must be among the most frequent ones of Chinese, or
    of Korean: of bytes that mean something else about one in twelve is.
    """
    with opened(path) as stream:
        content = stream.read(SAMPLE)
    runs = HIGH.findall(content)
    pairs = sum(map(len, runs)) // 2
    even = sum(len(run) for run in runs if len(run) % 2 == 0)
    if pairs < FEWEST_PAIRS or even < MOSTLY * sum(map(len, runs)):
        return ""
    told = b"\n".join(runs)
    shares = {name: _frequent(told, name, letters) for name, letters in FREQUENT.items()}
    best = max(shares, key=shares.__getitem__)
    return best if shares[best] >= OFTEN and _reads(path, best) else ""


def _frequent(runs: bytes, encoding: str, letters: str) -> float:
    """The share of letters that are among the frequent ones of a language, were these bytes in its encoding."""
    found = [letter for letter in runs.decode(encoding, "replace") if letter > "\x7f"]
    return sum(letter in letters for letter in found) / max(1, len(found))


def _reads(path: Path, encoding: str) -> bool:
    """Whether all of a file is text in an encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    with opened(path) as stream:
        while chunk := stream.read(CHUNK):
            if not _decodes(decoder, chunk):
                return False
    return _decodes(decoder, b"", final=True)


def _western(path: Path) -> str:
    """cp1252, or latin-1 where a byte is none of it."""
    with opened(path) as stream:
        while chunk := stream.read(CHUNK):
            if any(byte in chunk for byte in (b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d")):
                return "latin-1"
    return "cp1252"


def _refuse_zeros(path: Path, line: int) -> None:
    raise RequestError(
        f"Line {line} of {path} holds zero bytes, which no text does: a write may have been cut off, or it is no text.",
        f"In Python this takes them out: import pathlib; p = pathlib.Path({str(path)!r}); "
        rf"p.with_name('clean-' + p.name).write_bytes(p.read_bytes().replace(b'\0', b''))",
    )


def units(rows: Sequence[list[str]]) -> bool:
    """Whether the first of the rows below the names holds units: texts over columns of numbers, in brackets or short.

    A single text tells too little, unless it is in brackets.
    """
    first, below = rows[0], rows[1:]
    columns = [[row[i].strip() for row in below if i < len(row)] for i in range(len(first))]
    numeric = [i for i, cells in enumerate(columns) if _are_numbers(cells)]
    texts = [first[i].strip() for i in numeric]
    given = [text for text in texts if text and text != "-"]
    if not given or any(is_number(text) or decimals([text]) or text.casefold() in MISSING for text in given):
        return False
    if len(given) == 1 or len(set(given)) < min(2, len(given)):
        return all(BRACKETS.fullmatch(text) for text in given)
    return max(map(len, given)) <= UNIT


def _are_numbers(cells: Sequence[str]) -> bool:
    known = [cell for cell in cells if cell.casefold() not in MISSING]
    return len(known) > 1 and all(is_number(cell) or decimals([cell]) for cell in known)


def is_total(cells: Sequence[str]) -> bool:
    """Whether a row names itself a total of others, or their mean, and holds a number."""
    first = next((cell for cell in cells if cell.strip()), "")
    return first.strip().rstrip(":").casefold() in TOTALS and any(is_number(cell) or decimals([cell]) for cell in cells)


def table_begins(file: TextFile) -> int:
    """The first line that may name columns, with as many cells as most have, by any separator; 0 where none does.

    Where the first lines hold no table, it is the first of the last lines that have as many cells as the very last, if
    none above has as many.
    """
    best, found = 0, 0
    for separator in (",", ";", "\t", "|"):
        try:
            rows = [(line, cells) for line, cells in islice(file.rows(separator), PEEK) if cells]
            last = _last_table(file, separator)
        except csv.Error:
            continue
        common = Counter(len(cells) for _, cells in rows if len(cells) > 1).most_common(1)
        if common and common[0][1] > best and 2 * common[0][1] > len(rows):
            best, count = common[0][1], common[0][0]
            found = next((line for line, cells in rows if len(cells) == count and _may_name(cells)), 0)
        elif last[1] > best and not (common and 2 * common[0][1] > len(rows)):
            found, best = last
    return found


def _last_table(file: TextFile, separator: str) -> tuple[int, int]:
    """(the line that may name the columns of what stands last in a file, its lines), or (0, 0)."""
    begins, first, lines, above = 0, list[str](), 0, set[int]()
    for line, cells in file.rows(separator):
        if len(cells) == len(first):
            lines += 1
        elif cells:
            above.add(len(first))
            begins, first, lines = line, cells, 1
    fits = len(first) > 1 and len(first) not in above and lines > 2 and _may_name(first)
    return (begins, lines) if fits else (0, 0)


def _may_name(cells: Sequence[str]) -> bool:
    """Whether cells may be names of columns: none is empty or a number."""
    return all(cell.strip() and not is_number(cell) and not decimals([cell]) for cell in cells)
