"""Configuration files and options of the command line, before their tables are checked."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from kduq.errors import UserError


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """A loader that refuses a key that comes twice, of which YAML would keep the last.

    It is that of C where there is one, which is seven times as fast.
    """

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [(key.tag, key.value) for key, _ in node.value if isinstance(key.value, str)]
        for number, (key, _) in enumerate(node.value):
            if isinstance(key.value, str) and (key.tag, key.value) in keys[:number]:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' comes twice in one table", key.start_mark
                )
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


_CONSTANTS = {"true": True, "false": False, "null": None}
_INTEGER = re.compile(r"[-+]?\d+")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def read(path: Path) -> dict[str, Any]:
    """Read a configuration file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict
        Its tables.

    Raises
    ------
    UserError
        If it is not YAML, with the line, has no keys, or has a key twice in one table.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 (it is safe)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: found the byte {error.object[error.start]:#x} at position {error.start}; "
            "allowed: text in UTF-8; save the file in that encoding"
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        if isinstance(error, yaml.constructor.ConstructorError):
            raise UserError(f"{path}{place}: {error.problem}; remove or rename one") from None
        raise UserError(
            f"{path}{place}: found no YAML ({error.problem}); correct the line or the one before "
            "it: keys end with a colon, and tables are indented by spaces"
        ) from None
    except yaml.YAMLError as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: found no YAML ({reason}); correct the file") from None
    if not isinstance(values, dict):
        found = "an empty file" if values is None else f"a {type(values).__name__}"
        raise UserError(f"{path}: found {found}; a table of keys is needed; config.yaml shows them")
    return values


def overlaid(path: Path, overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Read a configuration file, with settings of an overlay in place of its own.

    Parameters
    ----------
    path : Path
        The file.
    overlay : mapping
        Tables of the same form, in which keys may be missing.

    Returns
    -------
    dict
        The configuration.
    """
    return _merged(read(path), overlay)


def _merged(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in overlay.items():
        old = base.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return result


def with_numbers(config: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers, true, false and null in place of the text that Snakemake makes of them.

    Parameters
    ----------
    config : mapping
        The configuration.
    given : mapping
        What the option ``--config`` sets, where all nested values are text.

    Returns
    -------
    dict
        The configuration; text in it that is not from the option stays.
    """
    result = dict(config)
    for key, value in given.items():
        present = config.get(key)
        if isinstance(value, Mapping) and isinstance(present, Mapping):
            result[key] = with_numbers(present, value)
        elif key in config and present == value:
            result[key] = _read_scalars(value)
    return result


def _read_scalars(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _read_scalars(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_read_scalars(each) for each in value]
    if not isinstance(value, str):
        return value
    if value.lower() in _CONSTANTS:
        return _CONSTANTS[value.lower()]
    if _INTEGER.fullmatch(value):
        return int(value)
    return float(value) if _NUMBER.fullmatch(value) else value
