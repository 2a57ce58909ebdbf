"""BioASQ: the paper's corpus, in the format of the challenge's JSON."""

from pathlib import Path

from kduq.config.data import CorpusSettings
from kduq.data.corpora.protocol import CorpusKind, Entry
from kduq.data.corpora.reading import parse_json, prompt_text, strings, with_answers
from kduq.data.user_files import read_text
from kduq.errors import UserError


def _read(name: str, settings: CorpusSettings) -> list[Entry]:
    path = Path(str(settings.path))
    data = parse_json(read_text(path, f"corpora.{name}", settings.encoding), str(path))
    if not isinstance(data, dict) or not isinstance(data.get("questions"), list):
        raise UserError(
            f"{path}: no list under the key 'questions'; a BioASQ file is an object with one; "
            f"correct the file or corpora.{name}.path"
        )
    pairs = []
    for number, question in enumerate(data["questions"]):
        where = f"{path}: questions[{number}]"
        if not isinstance(question, dict) or "body" not in question:
            raise UserError(f"{where}: no key 'body'; allowed is an object with one; add it")
        answers = strings(question.get("ideal_answer"), where, "ideal_answer")
        if not any(answer.strip() for answer in answers):
            answers = strings(question.get("exact_answer"), where, "exact_answer")
        pairs.append((prompt_text(question["body"], where, "body"), answers))
    return with_answers(str(path), pairs, "questions")


KIND = CorpusKind("bioasq", "BioASQ", _read, needs="file")
