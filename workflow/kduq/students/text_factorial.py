"""Students of a factorial design on text; see `kduq.students.tabular_factorial`.

The levels of the factors are:

- noise: one answer of the teacher per training prompt;
- initialisation: the order of the prompts and, for a model trained from scratch, the initial
  weights;
- bootstrap: a sample of the prompts, each with its answer;
- decoding: the random numbers with which every student answers.
"""

import copy
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kduq import seeds
from kduq.answers.text import check_max_new_tokens, evaluate_on_prompts
from kduq.conditions import DRAW_COLUMN, LEVEL_COLUMNS, SHARDED_FACTOR
from kduq.data.corpus import Corpus, Example
from kduq.families.lm import models, training
from kduq.families.lm.text import Model, Tokenizer
from kduq.responses.settings import answer_temperature
from kduq.stage import Inputs, Outputs, progress
from kduq.students.settings import TextFactorialSettings as Settings
from kduq.students.text import Responses, read_distillation_data, rows_of_student, stack

__all__ = ["Settings", "run", "train"]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the students of a shard and their loss curves; see `kduq.stage.Stage`."""
    corpus, responses = read_distillation_data(inputs)
    with progress(len(settings.replicates) * len(_combinations(settings)), "student") as advance:
        students, losses = train(settings, corpus, responses, advance)
    outputs.write("losses", losses)
    outputs.write("students", students)


def _trained_factors(settings: Settings) -> list[str]:
    """Factors for whose levels students are trained: decoding levels are draws of one student."""
    return [factor for factor in settings.inner_levels if factor in LEVEL_COLUMNS]


def _combinations(settings: Settings) -> list[tuple[int, ...]]:
    """Levels of the trained factors, every combination once."""
    numbers = [settings.levels[factor] for factor in _trained_factors(settings)]
    return list(itertools.product(*map(range, numbers)))


def train(
    settings: Settings,
    corpus: Corpus,
    responses: Mapping[str, Any],
    advance: Callable[[int], object],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Train the students of one shard, and let each answer the evaluated prompts.

    Parameters
    ----------
    settings : Settings
        Settings of the shard: a range of noise levels, the number of levels of each other factor,
        and one condition.
    corpus : Corpus
        The prompts.
    responses : mapping of str to array or list
        Columns of the shard's responses, whose replicates are noise levels.
    advance : callable
        Called with 1 after every student.

    Returns
    -------
    students, losses : dict of str to array or list
        As from `kduq.students.text.train`, noise levels slowest and draws, which are the decoding
        levels, fastest. replicate is the number of the combination of the other levels. seed is
        null, since there is one seed per factor and level.
    """
    (condition,) = settings.conditions
    inner = _trained_factors(settings)
    level_seeds = {
        f: [_seed(settings, f, level) for level in range(settings.levels[f])] for f in inner
    }
    evaluation = settings.evaluation.model_copy(update={"draws": settings.levels["decoding"]})
    decoding_seed = _seed(settings, "decoding", 0)
    combinations = _combinations(settings)
    initial: dict[int, tuple[Model, Tokenizer]] = {}
    parts = []
    for noise in settings.replicates:
        own = Responses.from_columns(responses, noise, answer_temperature(condition))
        questions = [corpus.prompts[i] for i in own.prompts]
        answers = [texts[0] for texts in own.texts]
        for i_combination, combination in enumerate(combinations):
            level = dict(zip(inner, combination, strict=True))
            start_seed = level_seeds["initialisation"][level["initialisation"]]
            if level["initialisation"] not in initial:
                start = models.load_or_create(settings.model, corpus.texts(), start_seed)
                check_max_new_tokens(start[1], evaluation, corpus)  # before anything is trained
                initial[level["initialisation"]] = start
            model, tokenizer = copy.deepcopy(initial[level["initialisation"]])
            sample_seed = level_seeds["bootstrap"][level["bootstrap"]]
            # A prompt that is drawn twice is visited twice per epoch.
            rows = seeds.generator(sample_seed, "bootstrap").integers(
                0, len(questions), size=len(questions)
            )
            examples = [Example(questions[i], (answers[i],), (1.0,)) for i in rows]
            losses = training.train(model, tokenizer, examples, settings.model, start_seed)
            columns = evaluate_on_prompts(model, tokenizer, evaluation, corpus, decoding_seed)
            number = noise * len(combinations) + i_combination
            students, curve = rows_of_student(condition, number, None, columns, losses)
            for factor, value in ({SHARDED_FACTOR: noise} | level).items():
                size = len(columns[DRAW_COLUMN])
                students[LEVEL_COLUMNS[factor]] = np.full(size, value, np.int32)
            parts.append((students, curve))
            advance(1)
    return stack([rows for rows, _ in parts]), stack([rows for _, rows in parts])


def _seed(settings: Settings, factor: str, level: int) -> int:
    return seeds.replicate_seed(settings.seed, (*settings.path, factor), level)
