"""What training costs, and so how many replicates make a job.

The one place that sizes of blocks come from. Costs are of one core of a laptop's processor, as
measured on the default study's jobs, within a factor of two; a student does not depend on them.
"""

import math
from collections.abc import Mapping
from typing import Any

#: Training rows, columns with the one of the intercept, and numbers predicted, of data sets that
#: need no file.
_SHAPES = {
    "boston_housing": (404, 14, 102),
    "diabetes": (353, 11, 89),
    "digits": (1437, 65, 3600),
    "wine": (142, 14, 108),
    "breast_cancer": (455, 31, 228),
    "mnist_5k": (4000, 785, 10_000),
    "mnist": (56_000, 785, 140_000),
    "covtype": (40_000, 55, 70_000),
}
#: A user's own file is not opened to plan a study.
_OTHER = (1000, 20, 500)
#: Seconds of a least-squares student.
_LEAST_SQUARES = 1e-4
#: Seconds of a step of a network, for each row and hidden unit: fixed, and for each input.
_UNIT, _INPUT = 1e-9, 0.08e-9
#: Fewer units than these cost no less.
_FEWEST_UNITS = 24
#: Operations a second in training and, token by token, in answering.
_TRAINING, _ANSWERING = 1e11, 1e10
#: Tokens of a question with its answer, and of the answer.
_TOKENS, _ANSWER = 20, 8
#: Parameters of a language model that is loaded: at least a small GPT-2's.
_LOADED = 100_000_000
#: Round sizes, of which numbers of replicates are often multiples; students that are compared in
#: pairs need even ones. The largest are what one would not mind to have trained once more.
_NETWORK_SIZES = (2, 4, 10, 40, 100, 200)
_SIZES = {"linear": (*_NETWORK_SIZES, 500, 1000), "softmax": (2, 10), "lm": (1, 2, 5, 10)}
#: Predictions that a job keeps, and how often each is held at its peak.
_MEMORY, _COPIES = 1e9, 72


def seconds(model: Mapping[str, Any], dataset: str, asked: Mapping[str, Any]) -> float:
    """Time to train, and ask, one student.

    Parameters
    ----------
    model : mapping
        Its settings, with family.
    dataset : str
        Name of the data set or corpus.
    asked : mapping
        Of language models: prompts and draws.

    Returns
    -------
    float
        Seconds on one core.
    """
    if model["family"] == "linear":
        return _LEAST_SQUARES
    if model["family"] == "lm":
        parameters = _LOADED
        if model["source"] is None:
            width = model["width"]
            parameters = 12 * model["layers"] * width**2 + model["vocabulary"] * width
        trained = 6 * model["steps"] * model["batch_size"] * _TOKENS * parameters
        answered = 2 * asked["prompts"] * asked["draws"] * _ANSWER * parameters
        return trained / _TRAINING + answered / _ANSWERING
    n, inputs, _ = _SHAPES.get(dataset, _OTHER)
    rows = min(n, model.get("batch_size") or n)
    steps = model["epochs"] * math.ceil(n / rows)
    steps = min(steps, model.get("max_steps") or steps)
    units = max(model.get("hidden", 0), _FEWEST_UNITS)
    return float(steps * rows * units * (_UNIT + _INPUT * inputs))


def block(
    model: Mapping[str, Any],
    dataset: str,
    asked: Mapping[str, Any],
    students: int,
    minutes: float,
    largest: int | None = None,
) -> int:
    """Replicates a job: of a few round sizes, whatever the number of replicates.

    Parameters
    ----------
    model, dataset, asked
        As for `seconds`.
    students : int
        Trained for each replicate.
    minutes : float
        Time that a job is to take.
    largest : int, optional
        Size that is not to be exceeded.

    Returns
    -------
    int
        The largest size whose jobs take no longer and keep no more predictions than fit one
        gigabyte, or the least. Since it does not depend on their number, further replicates leave
        the blocks that are there as they are.
    """
    family = model["family"]
    fitting = 60 * minutes / (students * seconds(model, dataset, asked))
    if family != "lm":
        kept = _SHAPES.get(dataset, _OTHER)[2]
        fitting = min(fitting, _MEMORY / (_COPIES * students * kept))
    if largest is not None:
        fitting = min(fitting, largest)
    sizes = _SIZES.get(family, _NETWORK_SIZES)
    return max((size for size in sizes if size <= fitting), default=sizes[0])
