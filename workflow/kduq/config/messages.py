"""Messages about mistakes in the configuration: one line each, with the way to correct it."""

import difflib
import re
from collections.abc import Mapping
from typing import Any

#: Keys that had another name before version 0.2.
RENAMED = {
    "block": "shard",
    "if_fetched": "optional_datasets",
    "plan": "sample_size",
    "tokens_per_pass": "tokens_per_microbatch",
}


def listed(names: Any) -> str:
    """Names in quotes, separated by commas; line ends and the like as Python spells them."""
    return ", ".join(f"'{_on_one_line(str(name))}'" for name in names)


def _on_one_line(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def alternatives(names: Any) -> str:
    """Names, separated by commas."""
    return ", ".join(str(name) for name in names)


def unknown(path: str, name: object, allowed: Any, table: str) -> str:
    """Message about a name that is not in a table, with the names that are."""
    return (
        f"{path}: found '{name}'; allowed: {alternatives(allowed)}"
        f"{suggestion(str(name), allowed)} (names from {table})"
    )


def suggestion(name: str, allowed: Any) -> str:
    """The allowed name that is most similar, as a question; empty where none is similar."""
    close = difflib.get_close_matches(name, [str(other) for other in allowed], n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def _fields_at(location: tuple[int | str, ...], schema: dict[str, Any]) -> list[str]:
    """Allowed keys of the table at a location of an error."""
    node: dict[str, Any] = schema
    for part in location:
        node = _resolve(node, schema, part)
        properties = node.get("properties", {})
        if isinstance(part, int):
            node = node.get("items", {})
        elif part in properties:
            node = properties[part]
        elif node.get("patternProperties"):
            node = next(iter(node["patternProperties"].values()))
        # Otherwise the part is the tag of a union, which is not a key of the input.
    return list(_resolve(node, schema, None).get("properties", {}))


def _resolve(node: dict[str, Any], schema: dict[str, Any], part: object) -> dict[str, Any]:
    """Follow references, and the alternative to null of a union."""
    while True:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
        elif "discriminator" in node and part in node["discriminator"]["mapping"]:
            node = {"$ref": node["discriminator"]["mapping"][part]}
        elif "anyOf" in node:
            node = next(n for n in node["anyOf"] if n.get("type") != "null")
        else:
            return node


def line(error: Mapping[str, Any], schema: dict[str, Any]) -> str:
    """Message about one problem: the key's path, what was found, what is allowed.

    Parameters
    ----------
    error : mapping
        From pydantic's list of errors: loc, input, type, msg and ctx.
    schema : dict
        The configuration's JSON schema.

    Returns
    -------
    str
        Without a newline.
    """
    location = tuple(error["loc"])
    # The third part of a model's location is the tag of the union: its family.
    tagged = len(location) > 2 and location[0] in ("teachers", "students")
    keys = location[:2] + location[3:] if tagged else location
    if keys and keys[-1] == "[key]":
        keys = keys[:-1]
    path = ".".join(map(str, keys))
    value, kind, context = error["input"], error["type"], error.get("ctx", {})
    if kind == "extra_forbidden" and location[-1] in RENAMED:
        return f"{path}: renamed; write it as {RENAMED[str(location[-1])]}"
    if kind == "extra_forbidden":
        allowed = _fields_at(location[:-1], schema)
        return (
            f"{path}: unknown key; allowed: {alternatives(allowed)}"
            f"{suggestion(str(location[-1]), allowed)}"
        )
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"{path}: found {value!r}; a table of keys is needed; config.yaml shows them"
    if kind == "missing":
        return f"{path}: missing; add the key (config.yaml shows every one)"
    if kind == "union_tag_invalid":
        families = re.findall(r"'([^']*)'", context["expected_tags"])
        return (
            f"{path}.family: found '{context['tag']}'; allowed: {context['expected_tags']}"
            f"{suggestion(str(context['tag']), families)}"
        )
    if kind == "union_tag_not_found":
        return f"{path}.family: missing; config.yaml shows the families"
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", context["expected"])
        return (
            f"{path}: found {value!r}; allowed: {alternatives(allowed)}"
            f"{suggestion(str(value), allowed)}"
        )
    if kind == "string_pattern_mismatch":
        return (
            f"{path}: found {value!r}; allowed: letters, digits, '_', '.' and '-', "
            "starting with a letter or a digit"
        )
    if kind == "string_type" and isinstance(value, bool | int | float):
        reason = (
            "YAML reads yes, no, on and off as truth values"
            if isinstance(value, bool)
            else "it is read as a number"
        )
        return f"{path}: found {value!r}; a text is needed, and {reason}: put it in quotes"
    message = error["msg"].removeprefix("Value error, ")
    return f"{path}: found {value!r}; {message[0].lower()}{message[1:]}"
