"""Stage ``embeddings`` of text: one row per distinct text of a run."""

from collections.abc import Iterable
from typing import Any

import pyarrow.compute as pc

from kduq import artifacts
from kduq.data.corpus import Corpus
from kduq.embeddings.settings import TextSettings as Settings
from kduq.families.lm import embeddings
from kduq.stage import Inputs, Outputs

__all__ = ["Settings", "distinct_texts", "embed", "run"]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the embeddings of a run; see `kduq.stage.Stage`."""
    corpus = Corpus.from_columns(inputs.read("examples").table.to_pydict())
    references = (corpus.references[i] for i in corpus.evaluated(settings.prompts))
    paths = [*inputs.paths["teacher_answers"], *inputs.paths["answers"]]
    texts = distinct_texts(references, paths)
    outputs.write("embeddings", embed(texts, settings))


def distinct_texts(references: Iterable[Iterable[str]], paths: Iterable[str]) -> list[str]:
    """Distinct references and answers.

    Parameters
    ----------
    references : iterable of iterable of str
        References of the evaluated prompts.
    paths : iterable of str
        Tables of answers. One is read at a time, so that the memory grows with the number of
        distinct texts.

    Returns
    -------
    list of str
        Sorted: embeddings do not depend on the shards of the answers.
    """
    texts = {text for group in references for text in group}
    for path in paths:
        answers = artifacts.read(path, "answers").table.column("text")
        texts.update(pc.unique(answers).to_pylist())
    return sorted(texts)


def embed(texts: list[str], settings: Settings) -> dict[str, Any]:
    """Embed texts.

    Parameters
    ----------
    texts : list of str
        Distinct texts.
    settings : Settings
        Names the model.

    Returns
    -------
    dict of str to array or list
        The columns of the artifact.
    """
    return {"text": texts, "embedding": embeddings.embed(texts, settings.model.source)}
