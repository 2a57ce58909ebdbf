"""Stage ``claims``: what the paper says, judged by intervals."""

from typing import Any

import pandas as pd

from kduq.artifacts.schemas import columns
from kduq.claims import language, tables, verdicts


def judge(
    settings: dict[str, Any],
    estimates: pd.DataFrame,
    keys: list[tables.RunKey],
    students: tables.Students,
    losses: dict[tables.RunKey, pd.DataFrame],
) -> dict[str, list[Any]]:
    """Judge every claim that the study has evidence for.

    Parameters
    ----------
    settings : dict
        confidence, bootstrap_draws, seed, the thresholds and gate.
    estimates : pandas.DataFrame
        The gathered estimates.
    keys : list of tuple
        Experiment, family and data set of every run on tables of examples.
    students : callable
        Reads the students of such a run.
    losses : dict of tuple to pandas.DataFrame
        Loss curves of the students of every run of language models.

    Returns
    -------
    dict of str to list
        The columns of the artifact.
    """
    tests = [
        *tables.tests(settings, estimates, keys, students),
        *language.tests(settings, estimates, losses),
    ]
    rows = verdicts.judge(tests, settings["confidence"])
    return {name: [row[name] for row in rows] for name in columns("claims")}
