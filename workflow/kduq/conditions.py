"""Conditions: what an experiment varies between students."""

from itertools import product
from typing import Any

#: Keys of a condition: the condition columns of the students' table.
CONDITION_KEYS = (
    "method",
    "alpha",
    "k",
    "init_noise",
    "sample_fraction",
    "label_source",
    "temperature",
)

#: Factors of a crossed design, in the order of its layout, the slowest first.
FACTORS = ("noise", "initialisation", "bootstrap", "decoding")
#: Columns of the students' table that hold their levels; null for a factor that a family lacks.
LEVEL_COLUMNS = {
    "noise": "noise_level",
    "initialisation": "init_level",
    "bootstrap": "bootstrap_level",
}
#: Column of the draws of a language model's answers, the levels of its last factor.
DRAW_COLUMN = "draw"


def in_order(levels: dict[str, int]) -> dict[str, int]:
    """Levels by factor in the order of `FACTORS`; settings that were stored have lost theirs."""
    return {factor: levels[factor] for factor in FACTORS if factor in levels}


def _condition(**values: Any) -> dict[str, Any]:
    return {key: values.get(key) for key in CONDITION_KEYS}


def conditions(experiment: str, grid: dict[str, Any]) -> list[dict[str, Any]]:
    """Conditions of an experiment, the slowest key first.

    Parameters
    ----------
    experiment : str
        Name of the experiment.
    grid : dict
        Its settings.

    Returns
    -------
    list of dict
        One entry for each cell, with all of `CONDITION_KEYS`; what does not apply is None.
    """
    if experiment == "teacher_noise":
        return [_condition(method="single", alpha=alpha, k=1) for alpha in grid["alpha"]]
    if experiment == "student_init":
        return [_condition(init_noise=scale) for scale in grid["init_noise"]]
    if experiment == "bootstrap":
        return [
            _condition(sample_fraction=fraction, label_source=source)
            for source, fraction in product(grid["label_source"], grid["sample_fraction"])
        ]
    if experiment == "student_output":
        return [cell for source in grid["label_source"] for cell in _class_labels(source, grid)]
    if experiment == "decomposition":
        return [_condition()]  # what varies are the levels of its factors
    return [
        _condition(method=method, alpha=alpha, k=k)
        for alpha, method, k in product(grid["alpha"], grid["method"], grid["k"])
        if method != "single" or k == 1
    ]


def language_conditions(experiment: str, run: dict[str, Any]) -> list[dict[str, Any]]:
    """Conditions of a language-model run, the slowest key first; see `conditions`.

    Parameters
    ----------
    experiment : str
        Name of the experiment.
    run : dict
        Its settings of family lm.

    Returns
    -------
    list of dict
        One entry for each cell.
    """
    if experiment == "teacher_noise":
        single = {"method": "single", "k": 1, "label_source": "sampled"}
        return [_condition(**single, temperature=float(t)) for t in run["temperature"]]
    if experiment == "student_init":
        single = {"method": "single", "k": 1, "label_source": "greedy"}
        return [_condition(**single, init_noise=float(s)) for s in run["init_noise"]]
    if experiment == "student_output":
        return [
            _condition(
                method="single",
                k=1,
                label_source=source,
                temperature=1.0 if source == "sampled" else None,
            )
            for source in run["label_source"]
        ]
    sampled = {"label_source": "sampled", "temperature": 1.0}
    if experiment == "decomposition":
        return [_condition(method="single", k=1, **sampled)]
    return [
        _condition(**sampled, method=method, k=k)
        for method, k in product(run["method"], sorted({1, *run["k"]}))
        if (method == "single") == (k == 1)
    ]


def _class_labels(source: str, grid: dict[str, Any]) -> list[dict[str, Any]]:
    """Cells of a source of labels in classification."""
    if source == "averaged":
        return [_condition(method="averaging", label_source=source, k=k) for k in grid["k"]]
    if source == "soft":
        return [_condition(label_source=source)]
    return [_condition(method="single", label_source=source, k=1)]
