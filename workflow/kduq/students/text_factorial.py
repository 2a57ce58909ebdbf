"""Language-model students of a crossed design; see `kduq.students.tabular_factorial`.

A noise level is one answer that the teacher samples to each training prompt; an initialisation
level the initial weights, where the model is made here, and the order of the prompts; a bootstrap
level a sample of the prompts, each with its answer; a decoding level the random numbers with which
every student answers.
"""

import copy
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from kduq import seeds
from kduq.conditions import DRAW_COLUMN, FACTORS, LEVEL_COLUMNS, in_order
from kduq.data.corpus import Corpus
from kduq.families.lm import training
from kduq.families.lm.text import Model, Tokenizer
from kduq.students.text import Responses, answer_temperature, rows_of_student, stack
from kduq.teacher import text as teacher


def train(
    settings: dict[str, Any],
    corpus: Corpus,
    responses: dict[str, Any],
    progress: Callable[[int], object],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Train the students of one block, and let each answer the prompts of comparison.

    Parameters
    ----------
    settings : dict
        As for `kduq.students.text.train`, with levels (number of levels of each factor but the
        noise) and one condition; start and stop are a range of noise levels.
    corpus : Corpus
        The prompts.
    responses : dict of str to array or list
        Columns of the block's responses, whose replicates are noise levels.
    progress : callable
        Told 1 after every student.

    Returns
    -------
    students, losses : dict of str to array or list
        As there, noise levels slowest and draws, which are the decoding levels, fastest. replicate
        is the number of the combination of the other levels; seed is null: there is one a factor
        and level.
    """
    levels = in_order(settings["levels"])
    (condition,) = settings["conditions"]
    inner = [factor for factor in levels if LEVEL_COLUMNS.get(factor)]
    level_seeds = {f: [_seed(settings, f, level) for level in range(levels[f])] for f in inner}
    asked = settings["ask"] | {"draws": levels["decoding"]}
    decoding_seed = _seed(settings, "decoding", 0)
    combinations = list(itertools.product(*(range(levels[factor]) for factor in inner)))
    models: dict[int, tuple[Model, Tokenizer]] = {}
    parts = []
    for noise in range(settings["start"], settings["stop"]):
        given = Responses.of(responses, noise, answer_temperature(condition))
        questions = [corpus.prompts[i] for i in given.prompts]
        answers = [texts[0] for texts in given.texts]
        for place, chosen in enumerate(combinations):
            level = dict(zip(inner, chosen, strict=True))
            start_seed = level_seeds["initialisation"][level["initialisation"]]
            if level["initialisation"] not in models:
                found = teacher.build(settings["model"], corpus, start_seed)
                teacher.check_room(found[1], asked, corpus)  # before anything is trained
                models[level["initialisation"]] = found
            model, tokenizer = copy.deepcopy(models[level["initialisation"]])
            sample_seed = level_seeds["bootstrap"][level["bootstrap"]]
            # A prompt that was drawn twice is visited twice an epoch.
            rows = seeds.generator(sample_seed, "bootstrap").integers(
                0, len(questions), size=len(questions)
            )
            examples = [training.Example(questions[i], (answers[i],), (1.0,)) for i in rows]
            losses = training.train(model, tokenizer, examples, settings["model"], start_seed)
            said = teacher.ask(model, tokenizer, asked, corpus, decoding_seed)
            number = noise * len(combinations) + place
            students, curve = rows_of_student(condition, number, None, said, losses)
            for factor, value in ({FACTORS[0]: noise} | level).items():
                students[LEVEL_COLUMNS[factor]] = np.full(len(said[DRAW_COLUMN]), value, np.int32)
            parts.append((students, curve))
            progress(1)
    return stack([rows for rows, _ in parts]), stack([rows for _, rows in parts])


def _seed(settings: dict[str, Any], factor: str, level: int) -> int:
    path = (settings["experiment"], settings["family"], settings["dataset"], factor)
    return seeds.replicate_seed(settings["seed"], path, level)
