"""How often an answer that a method selects is wrong, from the distribution that was taught.

A method selects one of k independent responses, all of which are references of a question. Their
order matters only where a rule prefers the first of several, and all orders of the same responses
are equally likely. It is therefore enough to sum over the numbers of times that each reference
occurs. Students are not part of this: a rate is that of the answers from which they would learn, of
a teacher that has learnt exactly what it was taught.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from itertools import combinations_with_replacement

import numpy as np

from kduq.conditions import Condition
from kduq.estimates.references import References
from kduq.responses.settings import answer_temperature

#: Name of the metric.
METRIC = "theory_hallucination_rate"
#: Largest number of multisets of responses that are enumerated: k = 5 of a pool of 16 has 15,504.
_ENUMERATED = 20_000
#: Draws of k responses beyond that. The standard error of a probability is at most
#: 0.5/sqrt(65,536) < 0.002.
_DRAWS = 1 << 16
#: Seed of these draws. It is fixed, since a value from theory does not depend on the study's seed.
_SEED = 20_260
#: Decimals to which `kduq.targets.selection.nearest` rounds squared distances, so that equal
#: answers are equally near.
_DECIMALS = 6

#: Returns the probability that each answer is selected, shape (N, A), from the numbers of times
#: that each occurs among the responses (N, A), of equal sums, and the answers' embeddings (A, D).
_Rule = Callable[[np.ndarray, np.ndarray], np.ndarray]


def nearest_to_mean(counts: np.ndarray, embedded: np.ndarray) -> np.ndarray:
    """Averaging: the response nearest to the mean of all; of equally near ones the first."""
    # Squared distance from the mean c: |e|² - 2 e·c + |c|².
    products = embedded @ embedded.T
    shares = counts / counts.sum(axis=1, keepdims=True)
    scalar = shares @ products
    squared = np.diag(products) - 2 * scalar + (scalar * shares).sum(axis=1, keepdims=True)
    distances = np.where(counts > 0, np.round(squared, _DECIMALS), np.inf)
    near = counts * (distances == distances.min(axis=1, keepdims=True))
    return near / near.sum(axis=1, keepdims=True)


def most_frequent(counts: np.ndarray, embedded: np.ndarray) -> np.ndarray:
    """Majority: the most frequent response; of equally frequent ones that which came first."""
    del embedded
    frequent = (counts == counts.max(axis=1, keepdims=True)).astype(float)
    return frequent / frequent.sum(axis=1, keepdims=True)


_RULES: dict[str, _Rule] = {"averaging": nearest_to_mean, "majority": most_frequent}
_SINGLE = "single"


@lru_cache(maxsize=8)
def _multisets(size: int, k: int) -> np.ndarray:
    """Counts of all multisets of k of some answers, shape (N, size)."""
    chosen = np.array(list(combinations_with_replacement(range(size), k)))
    return (chosen[:, :, None] == np.arange(size)).sum(axis=1)


def selected(rule: _Rule, k: int, probabilities: np.ndarray, embedded: np.ndarray) -> np.ndarray:
    """Probability that each answer is selected from k independent responses.

    Parameters
    ----------
    rule : callable
        `nearest_to_mean` or `most_frequent`.
    k : int
        Number of responses.
    probabilities : ndarray of shape (A,)
        Of the answers, all positive.
    embedded : ndarray of shape (A, D)
        Their embeddings.

    Returns
    -------
    ndarray of shape (A,)
        Exact where there are no more than 20,000 multisets of responses. Otherwise the mean over
        65,536 draws with a fixed seed, with a standard error below 0.002.
    """
    size = len(probabilities)
    if math.comb(size + k - 1, k) <= _ENUMERATED:
        counts = _multisets(size, k)
        factorials = np.array([math.lgamma(n + 1) for n in range(k + 1)])
        logarithms = counts @ np.log(probabilities) - factorials[counts].sum(axis=1)
        weights = np.exp(factorials[k] + logarithms)
    else:
        generator = np.random.default_rng(_SEED)
        counts = generator.multinomial(k, probabilities / probabilities.sum(), size=_DRAWS)
        weights = np.full(_DRAWS, 1 / _DRAWS)
    chosen: np.ndarray = weights @ rule(counts, embedded)
    return chosen


def rates(condition: Condition, references: References) -> np.ndarray | None:
    """Probability that the answer of a condition's method is wrong, at each evaluated prompt.

    Parameters
    ----------
    condition : Condition
        Of the students.
    references : References
        With what was taught.

    Returns
    -------
    ndarray of shape (1, P), or None
        For single the taught probability of wrong answers; for averaging and majority see
        `selected`. None for other methods, for responses at a temperature other than 1, and
        for a corpus without answer distribution.
    """
    method, k = condition.method, condition.k or 1
    known = method == _SINGLE or method in _RULES
    at_one = known and answer_temperature(condition) == 1
    if not (at_one and references.has_answer_distribution):
        return None
    wrong = references.real & ~references.right
    if method == _SINGLE or k == 1:
        return np.where(wrong, references.taught, 0).sum(axis=1)[None]
    values = np.zeros(len(references.references))
    of_question: dict[int, float] = {}
    for p, question in enumerate(references.questions.tolist()):
        # All wordings of a question have the same answers.
        if question not in of_question:
            embedded = references.references[p]
            taught = references.taught[p, : len(embedded)]
            given, rate = taught > 0, 0.0
            if wrong[p, : len(embedded)][given].any():
                chosen = selected(_RULES[str(method)], k, taught[given], embedded[given])
                rate = float(chosen @ wrong[p, : len(embedded)][given])
            of_question[question] = rate
        values[p] = of_question[question]
    return values[None]
