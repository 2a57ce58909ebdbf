"""Stage ``examples`` of text: a corpus as prompts with their supported answers, split."""

from typing import Any

import numpy as np

from kduq import seeds
from kduq.data.corpora import kind_of
from kduq.data.corpora.protocol import Entry
from kduq.errors import UserError
from kduq.examples.settings import TextSettings as Settings
from kduq.stage import Inputs, Outputs

__all__ = ["Settings", "prepare", "run"]

#: Stream of the role "split" that splits prompts; the order of questions has another stream.
_SPLIT = 0


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the examples; see `kduq.stage.Stage`."""
    del inputs
    outputs.write("examples", prepare(settings))


def prepare(settings: Settings) -> dict[str, Any]:
    """Read or generate a corpus and split its prompts.

    Parameters
    ----------
    settings : Settings
        The corpus, its kind, and how it is split.

    Returns
    -------
    dict of str to array or list
        The columns of the artifact, a row per prompt: prompt_id (int32, row number from 0),
        question (int32; wordings of one question share it), split ("train" or "test"), prompt
        (str), references (list of distinct str), probabilities (list of float that sums to 1,
        in the order of references; None where they are not known), taught_probabilities (the same,
        with which a teacher is taught; None where they are the true ones).

    Raises
    ------
    UserError
        If the corpus cannot be read, has fewer questions than configured, or gives no test prompt
        or fewer than two training prompts.

    Notes
    -----
    In generated corpora, test_fraction is the share of questions whose last wording is held out;
    their other wordings are training prompts. In all other kinds it is the share of prompts.
    """
    name = settings.dataset
    entries = kind_of(name, settings).read(name, settings)
    if entries and entries[0].held_out is not None:
        return _columns(entries, np.array([bool(entry.held_out) for entry in entries]), name)
    entries = _first(entries, settings)
    count = len(entries)
    order = seeds.generator(settings.seed, "split", _SPLIT).permutation(count)
    test = np.zeros(count, dtype=bool)
    test[order[: round(count * settings.test_fraction)]] = True
    return _columns(entries, test, name)


def _first(entries: list[Entry], settings: Settings) -> list[Entry]:
    """The first questions; a number beyond those of the corpus is refused."""
    number = settings.questions
    if number is not None and entries and number > len(entries):
        raise UserError(
            f"corpora.{settings.dataset}.questions: {number} found; the corpus has "
            f"{len(entries)}; allowed are 1 to {len(entries)}, or null for all"
        )
    return entries[:number]


def _columns(entries: list[Entry], test: np.ndarray, name: str) -> dict[str, Any]:
    n_test, n_train = int(test.sum()), int((~test).sum())
    if n_test < 1 or n_train < 2:
        raise UserError(
            f"corpora.{name}: {len(entries)} prompts give {n_train} training and {n_test} test "
            "prompts; allowed are at least 2 and at least 1; add questions or change "
            f"corpora.{name}.test_fraction"
        )
    question = [i if entry.question is None else entry.question for i, entry in enumerate(entries)]
    return {
        "prompt_id": np.arange(len(entries), dtype=np.int32),
        "question": np.array(question, dtype=np.int32),
        "split": np.where(test, "test", "train"),
        "prompt": [entry.prompt for entry in entries],
        "references": [entry.answers for entry in entries],
        "probabilities": [entry.probabilities or None for entry in entries],
        "taught_probabilities": [entry.taught or None for entry in entries],
    }
