"""Estimates of a design of splits on text: means over splits, and how much splits differ.

Every split is a corpus with a teacher and students of its own, so that prompts, teacher and
students are all random.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from kduq import artifacts, statistics
from kduq.answers import GREEDY
from kduq.artifacts import schemas
from kduq.conditions import TEACHER, Condition
from kduq.data.corpus import Corpus, corpora_of_splits
from kduq.estimates import over_splits, text
from kduq.estimates.answers import DistinctTexts, StudentAnswers, answers_from
from kduq.estimates.groups import of_split
from kduq.estimates.settings import TextSplitSettings as Settings
from kduq.estimates.table import Table, exact
from kduq.stage import Inputs, Outputs
from kduq.statistics import Estimate

__all__ = ["Settings", "estimate", "run"]

#: Metrics of students whose means over splits are estimated, under their name with this prefix.
_PREFIX = "replicated_"
_POOLED = (
    "intra_variance_ratio",
    "inter_variance_ratio",
    "total_variance_ratio",
    "similarity_to_reference",
    "systematic_noise",
    "hallucination_rate",
    "similarity_to_reference_difference",
    "systematic_noise_difference",
    "hallucination_rate_difference",
    # A ratio would have no logarithm where one of two unbiased estimates is below zero.
    "inter_student_variance_change",
    "entropy_rank_correlation",
    "entropy_slope",
)

#: Estimates of one split, by condition, role, metric and group of prompts.
OfSplit = dict[tuple[Condition, str, str, str], Estimate]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the estimates of a run; see `kduq.stage.Stage`."""
    texts = DistinctTexts(inputs.read("embeddings"))
    corpora = corpora_of_splits(inputs.read_all("examples").table.to_pydict())
    found = [
        _of_split(settings, inputs, texts, number, corpora[number])
        for number in range(settings.splits)
    ]
    outputs.write("estimates", estimate(settings, found))


def _of_split(
    settings: Settings, inputs: Inputs, texts: DistinctTexts, number: int, corpus: Corpus
) -> OfSplit:
    """The ordinary estimates of one split."""
    evaluated = corpus.evaluated(settings.prompts)
    teachers = artifacts.rows_of_condition(Condition(label_source=TEACHER))
    rows = teachers & artifacts.rows_where(split_number=number)
    own = texts.columns(inputs.read_all("answers", rows=rows))
    greedy = own["draw"] == GREEDY
    answers = StudentAnswers(inputs, evaluated, number)
    columns = text.estimate(
        settings,
        corpus,
        [texts.embeddings(corpus.references[i]) for i in evaluated],
        evaluated,
        answers_from(own, np.flatnonzero(~greedy), evaluated),
        answers_from(own, np.flatnonzero(greedy), evaluated),
        (answers.of_condition(condition, texts) for condition in settings.conditions),
    )
    return dict(_rows(columns))


def _rows(
    columns: Mapping[str, Sequence[Any]],
) -> Iterator[tuple[tuple[Condition, str, str, str], Estimate]]:
    for values in zip(*columns.values(), strict=True):
        row = dict(zip(columns, values, strict=True))
        condition = Condition(**{name: row[name] for name in schemas.CONDITION})
        numbers = (row[name] for name in ("estimate", "se", "ci_low", "ci_high", "n_students"))
        yield (condition, row["role"], row["metric"], row["group"]), Estimate(*numbers)


def estimate(settings: Settings, splits: Sequence[OfSplit]) -> dict[str, list[Any]]:
    """Pool the estimates of the splits of one run.

    Parameters
    ----------
    settings : Settings
        Of the run.
    splits : sequence of dict
        Estimates of each split.

    Returns
    -------
    dict of str to list
        The columns of the artifact: for each group of prompts the teachers' own numbers, on every
        split and on average; of the students, the metrics above with the prefix ``replicated_``, as
        `kduq.estimates.over_splits.add` adds them.
        Groups of one split are split_00 for all its prompts, and split_00_train and split_00_test.
        An estimate on one split has the standard error over its students and prompts.
    """
    table = Table(settings)
    _add_teachers(table, settings, splits)
    groups = dict.fromkeys(group for own in splits for _, _, _, group in own)
    for condition in settings.conditions:
        counts = [own[condition, "student", "diverged_count", "all"] for own in splits]
        diverged, students = sum(c.value for c in counts), sum(c.n for c in counts)
        table.add(condition, "student", "diverged_count", exact(diverged, students))
        for metric in _POOLED:
            for group in groups:
                key = condition, "student", metric, group
                if all(key in own for own in splits):
                    over_splits.add(
                        table,
                        settings.confidence,
                        condition,
                        f"{_PREFIX}{metric}",
                        [own[key] for own in splits],
                        ratio=False,
                        group=group,
                    )
    return table.columns()


def _add_teachers(table: Table, settings: Settings, splits: Sequence[OfSplit]) -> None:
    """Add the teachers' own numbers, on every split and on average."""
    for condition, role, metric, group in splits[0]:
        key = condition, role, metric, group
        if role != "teacher" or condition != Table.unconditional:
            continue
        values = [own[key] for own in splits]
        for number, value in enumerate(values):
            table.add(condition, role, metric, exact(value.value), of_split(number, group))
        points = np.array([value.value for value in values])
        table.add(condition, role, metric, statistics.mean(points, settings.confidence), group)
