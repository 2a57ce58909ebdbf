"""Stage ``answers`` of text: the teacher's own answers to the evaluated prompts."""

from typing import Any

from kduq import seeds
from kduq.answers.asking import evaluate_on_prompts
from kduq.answers.settings import TextSettings as Settings
from kduq.data.corpus import Corpus
from kduq.families.lm.text import Model, Tokenizer
from kduq.stage import Inputs, Outputs
from kduq.teacher import text as teacher

__all__ = ["Settings", "answers", "run"]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the teacher's answers; see `kduq.stage.Stage`."""
    corpus = Corpus.from_columns(inputs.read("examples").table.to_pydict())
    model, tokenizer = teacher.load(inputs)
    outputs.write("answers", answers(model, tokenizer, settings, corpus))


def answers(
    model: Model, tokenizer: Tokenizer, settings: Settings, corpus: Corpus
) -> dict[str, Any]:
    """The teacher's own answers, with which its students' answers are compared.

    Parameters
    ----------
    model, tokenizer
        The teacher.
    settings : Settings
        How it answers.
    corpus : Corpus
        The prompts.

    Returns
    -------
    dict of str to array or list
        The columns of the artifact.
    """
    seed = seeds.replicate_seed(settings.seed, settings.path, 0)
    return evaluate_on_prompts(model, tokenizer, settings.evaluation, corpus, seed)
