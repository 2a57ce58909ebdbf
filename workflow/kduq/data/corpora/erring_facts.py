"""Questions with one right answer, which a teacher is taught with errors of known probability.

Questions and wordings are those of ambiguous_facts. The references of a question are all answers of
its topic's pool, in which the right one has probability 1 and all others have probability 0. With
the rate r of errors, their spread s, and m wrong answers, the teacher is taught

- the right answer with probability 1 - r,
- one attractive wrong answer with probability r (1 - s) + r s / m,
- each other wrong answer with probability r s / m.

At s = 1 errors are spread evenly, and the answer that most responses agree on is right. At a small
s errors are a bias: most of them agree with each other.
"""

from functools import partial

from kduq.config.data import CorpusSettings, ErrorSettings
from kduq.data.corpora import ambiguous_facts
from kduq.data.corpora.ambiguous_facts import Question
from kduq.data.corpora.protocol import CorpusKind, Entry


def with_errors(
    right: list[str], probabilities: list[float], wrong: list[str], errors: ErrorSettings
) -> Entry:
    """Answers of which some are wrong, with the true and the taught probability of each.

    Parameters
    ----------
    right : list of str
        Right answers.
    probabilities : list of float
        Their true probabilities, which sum to 1.
    wrong : list of str
        Wrong answers, the attractive one first.
    errors : ErrorSettings
        Rate and spread of the errors.

    Returns
    -------
    Entry
        Right answers, then wrong ones; see the module for the probabilities. Without errors, what
        is taught is the truth.

    Examples
    --------
    >>> entry = with_errors(["red"], [1.0], ["blue", "grey"], ErrorSettings(rate=0.4, spread=0.5))
    >>> entry.answers, entry.probabilities
    (['red', 'blue', 'grey'], [1.0, 0.0, 0.0])
    >>> [round(p, 6) for p in entry.taught]
    [0.6, 0.3, 0.1]
    """
    rest = errors.rate * errors.spread / len(wrong)
    attractive = errors.rate * (1 - errors.spread) + rest
    taught = [(1 - errors.rate) * p for p in probabilities]
    taught += [attractive, *[rest] * (len(wrong) - 1)]
    truth = [*probabilities, *[0.0] * len(wrong)]
    return Entry("", [*right, *wrong], truth, taught if errors.rate else [])


def _one_right(errors: ErrorSettings, fact: Question) -> Entry:
    # Others first: which wrong answer is attractive is then random.
    return with_errors([fact.answers[0]], [1.0], [*fact.others, *fact.answers[1:]], errors)


def _read(name: str, settings: CorpusSettings) -> list[Entry]:
    errors = settings.errors or ErrorSettings()
    return ambiguous_facts.entries(name, settings, partial(_one_right, errors))


KIND = CorpusKind("erring_facts", "Erring facts", _read, has_errors=True)
