"""Registries: the one place where each kind of thing is picked by its name."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

from kduq.config.messages import alternatives, suggestion
from kduq.errors import UserError


class Named(Protocol):
    """Something that a registry lists."""

    @property
    def name(self) -> str:
        """What the configuration calls it."""
        ...


T = TypeVar("T", bound=Named)


class Registry(Mapping[str, T]):
    """Things of one kind by name, in the order in which they were listed.

    Parameters
    ----------
    kind : str
        What the things are, for messages, such as "experiment".
    things : iterable
        Each with a name of its own.

    Raises
    ------
    ValueError
        If two things have one name.
    """

    def __init__(self, kind: str, things: Iterable[T]) -> None:
        self._kind = kind
        self._things: dict[str, T] = {}
        for thing in things:
            if thing.name in self._things:
                raise ValueError(f"two of kind {kind} are named '{thing.name}'")
            self._things[thing.name] = thing

    def __getitem__(self, name: str) -> T:
        try:
            return self._things[name]
        except KeyError:
            raise UserError(
                f"'{name}' is not a known {self._kind}; allowed: {alternatives(self._things)}"
                f"{suggestion(str(name), self._things)}"
            ) from None

    def get(self, name: str, default: Any = None) -> Any:
        """The thing of a name, or the default, where subscripting would raise a UserError."""
        return self._things.get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self._things

    def __iter__(self) -> Iterator[str]:
        return iter(self._things)

    def __len__(self) -> int:
        return len(self._things)
