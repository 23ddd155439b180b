"""Numbers as every sentence of a report prints them."""


def fixed(value: float | None, digits: int = 2) -> str:
    """A number as every sentence of a result prints it, with a minus sign; a missing one is a dash."""
    return "–" if value is None else f"{value:,.{digits}f}".replace("-", "−")


def error(value: float | None) -> str:
    """A standard error as `fixed` prints it; one that would come out as 0.00 is said to be below 0.01."""
    return "< 0.01" if value is not None and 0 < value < 0.005 else fixed(value)


def percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def some_of(count: int, total: int, noun: str) -> str:
    """ "500 of the 10,000 test examples", or "all 300 test examples" where there are no more."""
    return f"{count:,} of the {total:,} {noun}" if count < total else f"all {total:,} {noun}"


def shortened(text: str, most: int) -> str:
    """Text of at most so many characters; of a longer one both ends, which tell columns and files apart."""
    return text if len(text) <= most else f"{text[: most // 3]}…{text[most // 3 + 1 - most :]}"
