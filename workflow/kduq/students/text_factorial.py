"""Students of a factorial design on text; see `kduq.students.tabular_factorial`.

The levels of the factors are:

- noise: one answer of the teacher per training prompt, in the targets of the replicate of that
  number;
- initialisation: the order of the prompts and, for a model trained from scratch, the initial
  weights;
- bootstrap: a sample of the prompts, each with its answer;
- decoding: the random numbers with which every student answers, in stage ``answers``.
"""

import copy
import itertools
from collections.abc import Iterator

from kduq import seeds
from kduq.conditions import LEVEL_COLUMNS, SHARDED_FACTOR
from kduq.families.lm import models, text, training
from kduq.families.lm.text import Model, Tokenizer
from kduq.stage import Inputs, Outputs
from kduq.students.settings import TextFactorialSettings as Settings
from kduq.students.text import Student, Targets, write

__all__ = ["Settings", "run", "trained"]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the students of a shard, their weights and loss curves; see `kduq.stage.Stage`."""
    targets = Targets.read(inputs, settings.conditions)
    combinations = len(_combinations(settings))
    numbers = [(0, n * combinations + i) for n in settings.replicates for i in range(combinations)]
    write(settings, trained(settings, targets), numbers, outputs)


def _combinations(settings: Settings) -> list[dict[str, int]]:
    """Levels of the trained factors except the sharded one, every combination once."""
    trained_factors = [factor for factor in settings.inner_levels if factor in LEVEL_COLUMNS]
    numbers = [range(settings.levels[factor]) for factor in trained_factors]
    return [
        dict(zip(trained_factors, levels, strict=True)) for levels in itertools.product(*numbers)
    ]


def trained(settings: Settings, targets: Targets) -> Iterator[Student]:
    """Train the students of one shard.

    Parameters
    ----------
    settings : Settings
        Settings of the shard: a range of noise levels, the number of levels of each other factor,
        and one condition.
    targets : Targets
        What is taught; its replicates are noise levels.

    Yields
    ------
    Student
        Noise levels slowest. replicate is the number of the combination of all levels. seed is
        None, since there is one seed per factor and level.
    """
    combinations = _combinations(settings)
    initial: dict[int, tuple[Model, Tokenizer]] = {}
    for noise in settings.replicates:
        examples = targets.of(0, noise)
        for number, level in enumerate(combinations):
            start_seed = _seed(settings, "initialisation", level["initialisation"])
            if level["initialisation"] not in initial:
                initial[level["initialisation"]] = models.load_or_create(
                    settings.model, targets.corpus.texts(), start_seed
                )
                text.refuse_special_tokens(
                    initial[level["initialisation"]][1], targets.corpus.prompts
                )
            model, tokenizer = copy.deepcopy(initial[level["initialisation"]])
            sample_seed = _seed(settings, "bootstrap", level["bootstrap"])
            # A prompt that is drawn twice is visited twice per epoch.
            rows = seeds.generator(sample_seed, "bootstrap").integers(
                0, len(examples), size=len(examples)
            )
            sample = [examples[i] for i in rows]
            losses = training.train(
                model, tokenizer, sample, settings.model, start_seed, sampled=True
            )
            levels = {SHARDED_FACTOR: noise} | level
            yield Student(0, noise * len(combinations) + number, None, model, losses, levels)


def _seed(settings: Settings, factor: str, level: int) -> int:
    return seeds.replicate_seed(settings.seed, (*settings.path, factor), level)
