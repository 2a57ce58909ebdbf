"""Registries: the one place where a family, an experiment and so on is selected by its name."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

from kduq.config.messages import alternatives, suggestion
from kduq.errors import UserError


class Named(Protocol):
    """An entry of a registry."""

    @property
    def name(self) -> str:
        """What the configuration calls it."""
        ...


T = TypeVar("T", bound=Named)


class Registry(Mapping[str, T]):
    """Entries of one kind by name, in the order in which they were listed.

    Parameters
    ----------
    kind : str
        What the entries are, for messages, such as "experiment".
    entries : iterable
        Each with a name of its own.
    key : callable, optional
        Returns the name of an entry in the registry; None for its own name.

    Raises
    ------
    ValueError
        If two entries have the same name.
    """

    def __init__(
        self, kind: str, entries: Iterable[T], key: Callable[[T], str] | None = None
    ) -> None:
        self._kind = kind
        self._entries: dict[str, T] = {}
        for entry in entries:
            name = entry.name if key is None else key(entry)
            if name in self._entries:
                raise ValueError(f"two entries of kind {kind} are named '{name}'")
            self._entries[name] = entry

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except KeyError:
            raise UserError(
                f"'{name}' is not a known {self._kind}; allowed: {alternatives(self._entries)}"
                f"{suggestion(str(name), self._entries)}"
            ) from None

    def get(self, name: str, default: Any = None) -> Any:
        """The entry of a name, or the default, where subscripting would raise a UserError."""
        return self._entries.get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def require_known(kind: str, value: object, allowed: Iterable[object]) -> None:
    """Refuse a value that nothing handles, in place of handling it like another.

    Parameters
    ----------
    kind : str
        What the value is, for the message.
    value : object
        The value.
    allowed : iterable
        All values that are handled.

    Raises
    ------
    UserError
        If it is none of them.
    """
    known = [str(one) for one in allowed]
    if str(value) not in known:
        raise UserError(
            f"{kind}: found '{value}'; allowed: {alternatives(known)}"
            f"{suggestion(str(value), known)}"
        )
