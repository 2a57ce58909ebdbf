"""Names of the groups of estimates that readers look for."""

import re

#: Beginning of the group of the estimates of one split.
OF_SPLIT = "split_"


def of_split(number: int, group: str = "all") -> str:
    """Group of the estimates of one split.

    Parameters
    ----------
    number : int
        Number of the split.
    group : str
        Group of its test inputs; all of them if left out.

    Returns
    -------
    str
        Such as ``split_07`` or ``split_07_train``.
    """
    return f"{OF_SPLIT}{number:02d}" + ("" if group == "all" else f"_{group}")


def parts_of(name: str) -> tuple[int | None, str]:
    """Number of the split, None for none, and group of test inputs; the inverse of `of_split`."""
    match = re.fullmatch(rf"{OF_SPLIT}(\d+)(?:_(.+))?", name)
    return (int(match[1]), match[2] or "all") if match else (None, name)
