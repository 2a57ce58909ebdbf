"""JSON text that is the same for equal values."""

import json


def canonical_json(value: object) -> str:
    """Return JSON text that is equal for equal values.

    Parameters
    ----------
    value : object
        Anything that the module `json` can write.

    Returns
    -------
    str
        With sorted keys and without white space.

    Raises
    ------
    ValueError
        If a number in it is not finite.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
