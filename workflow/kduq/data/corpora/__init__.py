"""Kinds of corpora: the registry, one file per kind."""

from kduq.config.data import CorpusSettings
from kduq.data.corpora import (
    ambiguous_facts,
    bioasq,
    chatterbot,
    erring_facts,
    file,
    geography,
    mixed_facts,
    wordnet,
)
from kduq.data.corpora.protocol import CorpusKind
from kduq.registry import Registry

CORPUS_KINDS: Registry[CorpusKind] = Registry(
    "kind of corpus",
    (
        ambiguous_facts.KIND,
        erring_facts.KIND,
        mixed_facts.KIND,
        chatterbot.KIND,
        wordnet.KIND,
        bioasq.KIND,
        geography.KIND,
        file.KIND,
    ),
)


def kind_of(name: str, settings: CorpusSettings) -> CorpusKind:
    """The kind that reads a corpus: the one it names, else the kind of the same name, else file.

    Parameters
    ----------
    name : str
        Name of the corpus.
    settings : CorpusSettings
        Its table of the configuration.

    Returns
    -------
    CorpusKind
        Its entry in the registry.

    Raises
    ------
    UserError
        If it names an unknown kind.
    """
    return CORPUS_KINDS[settings.kind or (name if name in CORPUS_KINDS else file.KIND.name)]


def label(corpus: str) -> str:
    """Name of a corpus in figures; the configured name for a corpus of the user."""
    return CORPUS_KINDS[corpus].label if corpus in CORPUS_KINDS else corpus
