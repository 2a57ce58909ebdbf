"""Questions with several right answers, which a teacher is taught with errors of known probability.

Questions, wordings and the distribution of the right answers are those of ambiguous_facts, and
errors are those of erring_facts: a right answer of true probability t is taught with probability
(1 - r) t, and the other answers of the topic's pool share the rate r of errors.
"""

from functools import partial

from kduq.config.data import CorpusSettings, ErrorSettings
from kduq.data.corpora import ambiguous_facts
from kduq.data.corpora.ambiguous_facts import Question
from kduq.data.corpora.erring_facts import with_errors
from kduq.data.corpora.protocol import CorpusKind, Entry


def _several_right(errors: ErrorSettings, fact: Question) -> Entry:
    return with_errors(list(fact.answers), list(fact.probabilities), list(fact.others), errors)


def _read(name: str, settings: CorpusSettings) -> list[Entry]:
    errors = settings.errors or ErrorSettings()
    return ambiguous_facts.entries(name, settings, partial(_several_right, errors))


KIND = CorpusKind("mixed_facts", "Mixed facts", _read, has_errors=True)
