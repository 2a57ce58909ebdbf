"""ChatterBot: the English part of the package chatterbot-corpus."""

import importlib.resources
import sys

import yaml

from kduq.config.data import CorpusSettings
from kduq.data.corpora.protocol import CorpusKind, Entry
from kduq.data.corpora.reading import shuffle, with_answers
from kduq.errors import UserError

#: Files in which every line after the first is another answer to the first. In all other files the
#: lines are turns of a conversation, and only the second line answers the first. Later turns answer
#: the turns before them, which a prompt of one line does not contain.
ALTERNATIVES = ("computers", "emotion")


def _read(name: str, settings: CorpusSettings) -> list[Entry]:
    try:
        folder = importlib.resources.files("chatterbot_corpus") / "data" / "english"
    except ModuleNotFoundError as error:
        raise UserError(
            f"corpora.{name}: the package chatterbot-corpus is not installed; "
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
    return shuffle(with_answers("chatterbot-corpus", pairs, "questions", repeats=False), settings)


KIND = CorpusKind("chatterbot", "ChatterBot", _read)
