"""WordNet 3.0: the meanings of nouns that have several, from an installed database."""

from collections.abc import Iterator
from pathlib import Path

from kduq.config.data import CorpusSettings
from kduq.config.messages import listed
from kduq.data.corpora.protocol import CorpusKind, Entry
from kduq.data.corpora.reading import shuffle
from kduq.data.user_files import read_text
from kduq.errors import UserError

#: Folder of the database in Debian's package wordnet-base.
WORDNET = Path("/usr/share/wordnet")
#: Definitions with more words are dropped, since students are small.
DEFINITION_WORDS = 12


def _read(name: str, settings: CorpusSettings) -> list[Entry]:
    folder = WORDNET if settings.path is None else Path(settings.path)
    files = ("data.noun", "index.noun", "cntlist.rev")
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        raise UserError(
            f"corpora.{name}: no {listed(missing)} of WordNet 3.0 in {folder}; install it with: "
            f"apt-get install wordnet-base; or name its folder in corpora.{name}.path"
        )
    try:
        return shuffle(list(_nouns(folder)), settings)
    except (ValueError, IndexError, KeyError) as error:
        raise UserError(
            f"{folder}: not a WordNet 3.0 database, or damaged ({type(error).__name__}: {error}); "
            "install it again with: apt-get install --reinstall wordnet-base; or correct "
            f"corpora.{name}.path"
        ) from error


def _nouns(folder: Path) -> Iterator[Entry]:
    """Questions about the meaning of nouns.

    A noun is included if it is one word of letters alone and 2 to 6 of its senses are short:
    defined in at most `DEFINITION_WORDS` words and without a quotation inside the definition.
    At least one of these senses must occur in the database's sense-tagged texts, since without
    counts the probabilities would be a guess. Probabilities are those of the short senses,
    (count + 1) / (sum of counts + number of senses).
    """
    definitions: dict[str, str] = {}
    spellings: dict[str, list[str]] = {}
    for line in _database(folder / "data.noun"):
        record, _, gloss = line.partition(" | ")
        fields = record.split()
        # Examples follow the definition, in quotes.
        definitions[fields[0]] = gloss.split('; "')[0].strip()
        # The number of words is hexadecimal, and each word is followed by its number in the file.
        spellings[fields[0]] = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
    counts: dict[tuple[str, int], int] = {}
    for line in _database(folder / "cntlist.rev"):
        key, rank, count = line.split()
        lemma, _, sense = key.partition("%")
        if sense.startswith("1:"):  # nouns
            counts[lemma, int(rank)] = int(count)
    for line in _database(folder / "index.noun"):
        lemma, _, n_senses, *rest = line.split()
        short = [
            (number, offset)
            for number, offset in enumerate(rest[-int(n_senses) :], start=1)
            if len(definitions[offset].split()) <= DEFINITION_WORDS
            and '"' not in definitions[offset]
        ]
        if not lemma.isalpha() or not any((lemma, number) in counts for number, _ in short):
            continue
        weights: dict[str, int] = {}
        for number, offset in short:
            weight = counts.get((lemma, number), 0) + 1
            weights[definitions[offset]] = weights.get(definitions[offset], 0) + weight
        if 2 <= len(weights) <= 6:
            # The index is in lower case; the first sense has the usual spelling.
            spelling = next(w for w in spellings[short[0][1]] if w.lower() == lemma)
            total = sum(weights.values())
            probabilities = [weight / total for weight in weights.values()]
            yield Entry(f"What does '{spelling}' mean?", list(weights), probabilities)


def _database(path: Path) -> Iterator[str]:
    """Records of a WordNet file; the licence at its head is indented."""
    return (
        line
        for line in read_text(path, "corpora.wordnet").split("\n")
        if line.strip() and not line.startswith(" ")
    )


KIND = CorpusKind("wordnet", "WordNet", _read, needs="folder")
