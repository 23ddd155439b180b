"""What a person sees on standard error while something is counted: a bar, or the name of what is being done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn

from .streams import console, is_terminal


@contextmanager
def counting(what: str, show: bool = True) -> Iterator[Callable[[int, int], None] | None]:
    """A bar for work that is counted: gives a function of (done, total), or None where there is no terminal."""
    if not (show and is_terminal()):
        yield None
        return
    bar = Progress(
        TextColumn(f"{what} {{task.completed:,}}/{{task.total:,}}"), BarColumn(), console=console(), transient=True
    )
    task = bar.add_task(what, total=1)
    with bar:
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def naming(show: bool = True) -> Iterator[Callable[..., None]]:
    """A line that names what is being done: gives a function of (name), or of (name, done, total)."""
    if not (show and is_terminal()):
        yield lambda *told: None
        return
    with console().status("") as status:

        def tell(name: str, done: int | None = None, total: int | None = None) -> None:
            status.update(name if done is None else f"{name} {done:,}/{total:,}")

        yield tell
