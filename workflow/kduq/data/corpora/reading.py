"""Stage ``examples`` of the language-model family: a corpus as prompts with their answers."""

import csv
import importlib.resources
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from kduq import seeds
from kduq.data.corpora import ambiguous_facts
from kduq.errors import UserError

#: Where Debian's package wordnet-base puts the database.
WORDNET = Path("/usr/share/wordnet")
#: A definition of more words than this is not kept: students are small.
DEFINITION_WORDS = 12
#: Chatterbot files in which every line after the first is another answer to the first. In all
#: other files the lines are turns, and only the second answers the first: later turns answer
#: what was said in between, which a prompt of one line does not hold.
ALTERNATIVES = ("computers", "emotion")
#: Streams of the role "split". `ambiguous_facts` has its own: no corpus uses both.
_SPLIT, _ORDER = 0, 1


@dataclass
class _Entry:
    """A question with its supported answers; probabilities stay empty where none are known."""

    prompt: str
    answers: list[str] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)


def prepare(settings: dict[str, Any]) -> dict[str, Any]:
    """Read or generate a corpus and split its prompts.

    Parameters
    ----------
    settings : dict
        dataset (the corpus's name), kind (one of `KINDS`), path (file, or folder of WordNet;
        None where the kind needs none), prompt and references (column names of kind file; None
        for these very names), questions (how many to keep; None for all), wordings (a question,
        kind ambiguous_facts), test_fraction and seed.

    Returns
    -------
    dict of str to array or list
        The columns of the artifact, a row a prompt: prompt_id (int32, row number from 0),
        question (int32; wordings of one question share it), split ("train" or "test"), prompt
        (str), references (list of distinct str), probabilities (list of float that sums to 1,
        in the order of references; None where the corpus does not know them).

    Raises
    ------
    UserError
        If the corpus cannot be read, has fewer questions than asked for, or leaves no test
        prompt or fewer than two training prompts.

    Notes
    -----
    Of ambiguous_facts, test_fraction is the share of questions whose last wording is held out:
    their other wordings are training prompts. Of all other kinds it is the share of prompts.
    """
    name, kind = settings["dataset"], settings["kind"]
    if kind not in KINDS:
        raise UserError(f"corpora.{name}.kind: '{kind}' found; allowed are {_list(KINDS)}")
    if kind == "ambiguous_facts":
        return _ambiguous_facts(settings)
    entries = _keep(READERS[kind](settings), settings)
    count = len(entries)
    order = seeds.generator(settings["seed"], "split", _SPLIT).permutation(count)
    test = np.zeros(count, dtype=bool)
    test[order[: round(count * settings["test_fraction"])]] = True
    return _columns(entries, np.arange(count), test, name)


def _ambiguous_facts(settings: dict[str, Any]) -> dict[str, Any]:
    name = settings["dataset"]
    try:
        facts = ambiguous_facts.generate(
            settings["seed"], settings["questions"], settings["wordings"]
        )
    except UserError as error:
        raise UserError(f"corpora.{name}.{error}") from error
    # Evenly spaced over questions that are in random order: unlike a drawn share, whether a
    # question is held out does not depend on how many follow it.
    held_out = np.diff(np.floor(np.arange(len(facts) + 1) * settings["test_fraction"])) > 0
    entries, question, test = [], [], []
    for number, fact in enumerate(facts):
        for wording in fact.wordings:
            entries.append(_Entry(wording, list(fact.answers), list(fact.probabilities)))
            question.append(number)
            test.append(bool(held_out[number]) and wording == fact.wordings[-1])
    return _columns(entries, np.array(question), np.array(test), name)


def _keep(entries: list[_Entry], settings: dict[str, Any]) -> list[_Entry]:
    """Keep the first questions; a number that cannot be had is refused, not lowered."""
    wanted = settings["questions"]
    if wanted is None or not entries:
        return entries
    if not 1 <= wanted <= len(entries):
        raise UserError(
            f"corpora.{settings['dataset']}.questions: {wanted} found; the corpus has "
            f"{len(entries)}; allowed are 1 to {len(entries)}, or null for all"
        )
    return entries[:wanted]


def _columns(
    entries: list[_Entry], question: np.ndarray, test: np.ndarray, name: str
) -> dict[str, Any]:
    n_test, n_train = int(test.sum()), int((~test).sum())
    if n_test < 1 or n_train < 2:
        raise UserError(
            f"corpora.{name}: {len(entries)} prompts give {n_train} training and {n_test} test "
            "prompts; allowed are at least 2 and at least 1; add questions or change "
            f"corpora.{name}.test_fraction"
        )
    return {
        "prompt_id": np.arange(len(entries), dtype=np.int32),
        "question": question.astype(np.int32),
        "split": np.where(test, "test", "train"),
        "prompt": [entry.prompt for entry in entries],
        "references": [entry.answers for entry in entries],
        "probabilities": [entry.probabilities or None for entry in entries],
    }


def _shuffle(entries: list[_Entry], settings: dict[str, Any]) -> list[_Entry]:
    """Mix a corpus that comes sorted by topic or letter, so that the first N are a fair sample."""
    order = seeds.generator(settings["seed"], "split", _ORDER).permutation(len(entries))
    return [entries[i] for i in order]


def _list(names: Iterable[Any]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _path(settings: dict[str, Any]) -> Path:
    if settings["path"] is None:
        raise UserError(
            f"corpora.{settings['dataset']}.path: nothing found; kind {settings['kind']} needs "
            "the path of a file"
        )
    return Path(settings["path"])


def _text(path: Path) -> str:
    """Read a text file; a byte order mark, which some spreadsheets write, is no part of it."""
    try:
        # Line ends are kept as they are: one inside a quoted answer belongs to the answer.
        with path.open(encoding="utf-8-sig", newline="") as file:
            return file.read()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; mend the corpus's path") from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); mend its path") from error


def _merge(pairs: Iterable[tuple[str, list[str]]]) -> dict[str, _Entry]:
    """Unite the answers of equal prompts, which may differ in whitespace; the first form stays."""
    merged: dict[str, _Entry] = {}
    for prompt, answers in pairs:
        entry = merged.setdefault(" ".join(prompt.split()), _Entry(prompt.strip()))
        stripped = (answer.strip() for answer in answers)
        # A dict keeps the order in which answers were first met.
        entry.answers = list(dict.fromkeys([*entry.answers, *(a for a in stripped if a)]))
    return merged


def _answered(
    source: str, pairs: list[tuple[str, list[str]]], unit: str, repeats: bool = True
) -> list[_Entry]:
    """Merge duplicates, drop questions without an answer, and say how many of each there were.

    A question counts as unanswered if none of its duplicates has an answer.
    """
    merged = _merge(pairs)
    entries = [entry for entry in merged.values() if entry.answers]
    if repeats and len(merged) < len(pairs):
        count = len(pairs) - len(merged)
        sys.stderr.write(f"{source}: {unit} merged because they repeat an earlier one: {count}\n")
    if len(entries) < len(merged):
        count = len(merged) - len(entries)
        sys.stderr.write(f"{source}: {unit} dropped because they have no answer: {count}\n")
    return entries


def _strings(value: Any, where: str, key: str) -> list[str]:
    """Flatten text, or lists of text however deep, into a list."""
    if value is None:
        return []
    if isinstance(value, str):
        return [_storable(value, where, key)]
    if isinstance(value, list):
        return [text for part in value for text in _strings(part, where, key)]
    raise UserError(
        f"{where}: '{key}' holds {_shown(value)}; allowed are text or a list of texts; put "
        "numbers in quotes"
    )


def _prompt(value: Any, where: str, key: str) -> str:
    if isinstance(value, str) and value.strip():
        return _storable(value, where, key)
    found = "nothing" if value is None or value == "" else _shown(value)
    raise UserError(
        f"{where}: '{key}' holds {found}; allowed is the text of a question; fill it in"
    )


def _storable(text: str, where: str, key: str) -> str:
    """Refuse half a character: JSON can spell it (a cut-off emoji), no file can hold it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(text[error.start]):04x}"
        raise UserError(
            f"{where}: '{key}' holds half a surrogate pair, {half}; remove or complete it"
        ) from error
    return text


def _shown(value: Any) -> str:
    """Show a value on one line of moderate length."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _chatterbot(settings: dict[str, Any]) -> list[_Entry]:
    try:
        folder = importlib.resources.files("chatterbot_corpus") / "data" / "english"
    except ModuleNotFoundError as error:
        raise UserError(
            f"corpora.{settings['dataset']}: the package chatterbot-corpus is not installed; "
            "install it with: pip install chatterbot-corpus"
        ) from error
    pairs, broken = [], 0
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".yml"):
            continue
        for turns in yaml.safe_load(file.read_text(encoding="utf-8"))["conversations"]:
            if not isinstance(turns, list) or len(turns) < 2:
                broken += 1
                continue
            last = len(turns) if file.name.removesuffix(".yml") in ALTERNATIVES else 2
            first, *answers = (str(turn) for turn in turns[:last])
            pairs.append((" ".join(first.split()), answers))
    if broken:
        sys.stderr.write(
            f"chatterbot-corpus: conversations dropped because they list no turns: {broken}\n"
        )
    return _shuffle(_answered("chatterbot-corpus", pairs, "questions", repeats=False), settings)


def _wordnet(settings: dict[str, Any]) -> list[_Entry]:
    folder = WORDNET if settings["path"] is None else Path(settings["path"])
    name, files = settings["dataset"], ("data.noun", "index.noun", "cntlist.rev")
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        raise UserError(
            f"corpora.{name}: no {_list(missing)} of WordNet 3.0 in {folder}; install it with: "
            f"apt-get install wordnet-base; or name its folder in corpora.{name}.path"
        )
    try:
        return _shuffle(list(_nouns(folder)), settings)
    except (ValueError, IndexError, KeyError) as error:
        raise UserError(
            f"{folder}: not a WordNet 3.0 database, or damaged ({type(error).__name__}: {error}); "
            "install it again with: apt-get install --reinstall wordnet-base; or mend "
            f"corpora.{name}.path"
        ) from error


def _nouns(folder: Path) -> Iterator[_Entry]:
    """Ask for the meaning of nouns.

    A noun is asked for if it is one word of letters alone and 2 to 6 of its senses are short:
    defined in at most `DEFINITION_WORDS` words and without a quotation inside the definition.
    At least one of these senses must have been counted in the database's sense-tagged texts:
    equal probabilities of a word that nobody counted would be a guess. Probabilities are those
    of the short senses, (count + 1) / (sum of counts + number of senses).
    """
    definitions: dict[str, str] = {}
    spellings: dict[str, list[str]] = {}
    for line in _database(folder / "data.noun"):
        record, _, gloss = line.partition(" | ")
        fields = record.split()
        # Examples stand behind the definition, in quotes.
        definitions[fields[0]] = gloss.split('; "')[0].strip()
        # The number of words is hexadecimal; after each word stands its number in the file.
        spellings[fields[0]] = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
    counts: dict[tuple[str, int], int] = {}
    for line in _database(folder / "cntlist.rev"):
        key, rank, count = line.split()
        lemma, _, place = key.partition("%")
        if place.startswith("1:"):  # nouns
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
            # The index is in lower case; the most usual sense has the usual spelling.
            spelling = next(w for w in spellings[short[0][1]] if w.lower() == lemma)
            total = sum(weights.values())
            probabilities = [weight / total for weight in weights.values()]
            yield _Entry(f"What does '{spelling}' mean?", list(weights), probabilities)


def _database(path: Path) -> Iterator[str]:
    """Records of a WordNet file; the licence at its head is indented."""
    return (line for line in _text(path).split("\n") if line.strip() and not line.startswith(" "))


def _bioasq(settings: dict[str, Any]) -> list[_Entry]:
    path = _path(settings)
    data = _json(_text(path), str(path))
    if not isinstance(data, dict) or not isinstance(data.get("questions"), list):
        raise UserError(
            f"{path}: no list under the key 'questions'; a BioASQ file is an object with one; "
            f"mend the file or corpora.{settings['dataset']}.path"
        )
    pairs = []
    for number, question in enumerate(data["questions"]):
        where = f"{path}: questions[{number}]"
        if not isinstance(question, dict) or "body" not in question:
            raise UserError(f"{where}: no key 'body'; allowed is an object with one; add it")
        answers = _strings(question.get("ideal_answer"), where, "ideal_answer")
        if not any(answer.strip() for answer in answers):
            answers = _strings(question.get("exact_answer"), where, "exact_answer")
        pairs.append((_prompt(question["body"], where, "body"), answers))
    return _answered(str(path), pairs, "questions")


def _json(text: str, source: str, line: int | None = None) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{source}: line {line or error.lineno}, column {error.colno}: not valid JSON "
            f"({error.msg}); mend this place or save the file again as JSON"
        ) from error
    except RecursionError as error:
        raise UserError(
            f"{source}: line {line or 1}: lists or objects are nested too deeply; a row is one "
            "object of texts and lists of texts"
        ) from error


def _file(settings: dict[str, Any]) -> list[_Entry]:
    path = _path(settings)
    readers: dict[str, Callable[[Path], Iterator[tuple[str, dict[str, Any]]]]] = {
        ".jsonl": _jsonl,
        ".parquet": _parquet,
        ".csv": _csv,
    }
    if path.suffix not in readers:
        raise UserError(f"{path}: a corpus is a file ending in {' or '.join(readers)}")
    prompt, references = (settings[key] or key for key in ("prompt", "references"))
    pairs = []
    for where, row in readers[path.suffix](path):
        for key, column in (("prompt", prompt), ("references", references)):
            if column not in row:
                raise UserError(
                    f"{where}: no column '{column}'; there are {_list(row) or 'none'}; mend "
                    f"corpora.{settings['dataset']}.{key}"
                )
        pairs.append(
            (_prompt(row[prompt], where, prompt), _strings(row[references], where, references))
        )
    # In CSV a row is one answer, so repeating the prompt is how to give another.
    return _answered(str(path), pairs, "rows", repeats=path.suffix != ".csv")


def _jsonl(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    # Not splitlines: JSON allows other line separators of Unicode inside a text.
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            row = _json(line, str(path), number)
            if not isinstance(row, dict):
                raise UserError(f"{path}: line {number}: not a JSON object; allowed is one a line")
            yield f"{path}: line {number}", row


def _parquet(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        table = pq.read_table(path, partitioning=None)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; mend the corpus's path") from error
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{path}: cannot be read as Parquet ({reason}); write the file again"
        ) from error
    for number, row in enumerate(table.to_pylist()):
        yield f"{path}: row {number}", row


def _csv(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    # Not pandas: it would read an answer such as "None" or "NA" as missing, or 1.0 as a number.
    reader = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():
                raise UserError(
                    f"{path}: line {reader.line_num}: not as many cells as columns "
                    f"({_list(reader.fieldnames or [])}); put texts that hold a comma in quotes"
                )
            yield f"{path}: line {reader.line_num}", row
    except csv.Error as error:
        # The line after the last good row: a quote left open is noticed at the end of the file.
        raise UserError(
            f"{path}: row from line {reader.line_num + 1} on: not valid CSV ({error}); mend its "
            "quotes"
        ) from error


#: Kinds of corpora that are read, and what reads them.
READERS: dict[str, Callable[[dict[str, Any]], list[_Entry]]] = {
    "chatterbot": _chatterbot,
    "wordnet": _wordnet,
    "bioasq": _bioasq,
    "file": _file,
}
#: All kinds: `ambiguous_facts` is generated.
KINDS = ("ambiguous_facts", *READERS)
