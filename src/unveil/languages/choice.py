"""Which languages there are."""

from ..errors import RequestError

LANGUAGES = {"en": "English", "zh": "Chinese"}


def checked(lang: str) -> str:
    """A language that there is; any other is refused."""
    if lang not in LANGUAGES:
        allowed = " or ".join(f"{code} ({name})" for code, name in LANGUAGES.items())
        raise RequestError(f"--lang came as {lang!r}; it takes {allowed}.")
    return lang
