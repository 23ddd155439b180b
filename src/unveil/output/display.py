"""Somewhere to show the events of a fit: the interface, and plain lines."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from ..fitting.events import Event, Finished, Progress, Validated, Working
from .streams import say


class Display(ABC):
    def take(self, event: Event) -> None:
        match event:
            case Progress():
                self.progress(event)
            case Validated():
                self.validated(event)
            case Working():
                self.working(event)
            case Finished():
                self.close()
                self.say((*event.sentences, "", "Next:", *(f"  {command}" for command in event.commands)))

    @abstractmethod
    def say(self, lines: Sequence[str]) -> None: ...
    @abstractmethod
    def progress(self, event: Progress) -> None: ...
    @abstractmethod
    def validated(self, event: Validated) -> None: ...
    @abstractmethod
    def working(self, event: Working) -> None: ...
    @abstractmethod
    def close(self) -> None: ...


class Plain(Display):
    """Lines without control characters: for files, pipes and notebooks."""

    def say(self, lines: Sequence[str]) -> None:
        say(lines)

    def progress(self, event: Progress) -> None: ...

    def validated(self, event: Validated) -> None:
        told = f"validation bound {event.bound:.2f}, best {event.best:.2f}, rate {event.rate:.2f}"
        self.say([f"step {event.step:,} of {event.steps:,}: {told}"])

    def working(self, event: Working) -> None:
        self.say([f"{event.name} ..."])

    def close(self) -> None: ...
