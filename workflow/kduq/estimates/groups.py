"""Names of the groups of estimates that readers look for."""

#: Beginning of the group of the estimates of one split.
OF_SPLIT = "split_"


def of_split(number: int) -> str:
    """Group of the estimates of one split.

    Parameters
    ----------
    number : int
        Number of the split.

    Returns
    -------
    str
        Such as ``split_07``.
    """
    return f"{OF_SPLIT}{number:02d}"
