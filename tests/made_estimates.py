"""Estimates of language models, made by hand for figures."""

import numpy as np
import pandas as pd
from kduq.artifacts.schemas import CONDITION
from kduq.claims.replicated import REPLICATED
from kduq.estimates import groups as groups_of

METRICS = (
    "hallucination_rate",
    "total_variation_among_right",
    "hallucination_rate_difference",
    "similarity_to_reference_difference",
    "intra_variance_ratio",
    "inter_student_variance_change",
    "intra_student_variance",
    "inter_student_variance",
    "similarity_to_reference",
)
METHODS = ("single", "multi_response", "averaging", "majority", "denoised", "shuffled")


def of_remedies(
    corpora=("erring_facts", "mixed_facts"), ks=(5.0,), groups=("train", "test"), **values
) -> pd.DataFrame:
    """Estimates of variance_aware: single at temperatures 1 and 0.5, and remedies at each k.

    Parameters
    ----------
    corpora, ks, groups
        Values of the columns dataset, k and group.
    **values
        Estimates by metric and method, as ``hallucination_rate_difference={"averaging": -0.2}``;
        others are drawn. Intervals are 0.02 on both sides.
    """
    generator = np.random.default_rng(0)
    conditions = [("single", 1.0, 1.0), ("single", 1.0, 0.5)]
    conditions += [(m, k, 1.0) for m in METHODS[1:] for k in ks]
    rows = []
    for dataset in corpora:
        for group in groups:
            for metric in METRICS:
                compared = metric.endswith(("_difference", "_change"))
                own = [("teacher", None, np.nan, np.nan)]
                every = [("student", *condition) for condition in conditions]
                for role, method, k, temperature in every + ([] if compared else own):
                    if compared and (method, temperature) == ("single", 1.0):
                        continue
                    drawn = generator.uniform(0.05, 0.6)
                    estimate = values.get(metric, {}).get(method or "teacher", drawn)
                    rows.append(
                        {
                            "experiment": "variance_aware",
                            "family": "lm",
                            "dataset": dataset,
                            "group": group,
                            "role": role,
                            "method": method,
                            "k": k,
                            "temperature": temperature,
                            "metric": metric,
                            "estimate": estimate,
                            "ci_low": estimate - 0.02,
                            "ci_high": estimate + 0.02,
                            "n_students": 20,
                        }
                    )
    return pd.DataFrame(rows)


def at_temperatures(table: pd.DataFrame, corpus: str, temperatures) -> pd.DataFrame:
    """The same with a corpus's students of temperature 1 at further temperatures too."""
    own = table[(table["dataset"] == corpus) & (table["temperature"] == 1)]
    return pd.concat([table, *(own.assign(temperature=t) for t in temperatures)])


def of_variances(corpora=("ambiguous_facts",), has_intervals=True) -> pd.DataFrame:
    """Variances of students of language models over their teacher's, of several experiments.

    Parameters
    ----------
    corpora
        Values of the column dataset.
    has_intervals
        Whether estimates have limits.
    """
    conditions = [
        *(("teacher_noise", {"method": "single", "temperature": t}) for t in (0.5, 1.0, 1.5)),
        *(("student_init", {"method": "single", "init_noise": s}) for s in (0, 0.01, 0.1, 0.4)),
        *(
            ("student_output", {"method": "single", "label_source": s})
            for s in ("greedy", "sampled", "sampled_per_question")
        ),
    ]
    generator = np.random.default_rng(1)
    empty = dict.fromkeys(("temperature", "init_noise", "k"), np.nan) | {"label_source": None}
    rows = [
        empty
        | {"experiment": experiment, "family": "lm", "dataset": dataset, "group": group}
        | condition
        | {"role": "student", "metric": metric, "estimate": generator.uniform(0, 1.3)}
        | {"n_students": 10}
        for dataset in corpora
        for group in ("train", "test")
        for experiment, condition in conditions
        for metric in ("intra_variance_ratio", "inter_variance_ratio")
    ]
    table = pd.DataFrame(rows)
    limits = 0.1 if has_intervals else np.nan
    return table.assign(ci_low=table["estimate"] - limits, ci_high=table["estimate"] + limits)


#: Statistics of the replicated claims on splits, by task.
REPLICATED_METRICS = {
    "regression": {
        f"replicated_{name}"
        for name in (
            "variance_ratio_to_noiseless",
            "noise_times_k",
            "variance_ratio_to_averaging",
            "test_mse_ratio_to_averaging",
            "variance_ratio_to_single",
        )
    },
    "classification": {
        "replicated_entropy_ratio_to_teacher",
        "replicated_variance_ratio_to_single",
    },
}
REPLICATED_METRICS["text"] = {
    part.metric
    for part in REPLICATED
    if part.metric not in set().union(*REPLICATED_METRICS.values())
}


def of_splits(task, datasets, families=("mlp",), splits=6, has_intervals=True) -> pd.DataFrame:
    """Every statistic of the replicated claims on several splits.

    Parameters
    ----------
    task
        regression, classification or text.
    datasets, families
        Values of these columns.
    splits
        Number of splits.
    has_intervals
        Whether estimates have limits.
    """
    generator = np.random.default_rng(2)
    rows = []
    for dataset in datasets:
        for family in families:
            groups = ("train", "test") if family == "lm" else ("all",)
            parts = [part for part in REPLICATED if part.metric in REPLICATED_METRICS[task]]
            for part in {part.metric: part for part in parts}.values():
                for method in part.methods or ("single",):
                    for number in range(splits):
                        for group in groups:
                            estimate = generator.lognormal(-0.3, 0.4)
                            width = estimate * 0.1 if has_intervals else np.nan
                            rows.append(
                                dict.fromkeys(CONDITION)
                                | {"experiment": "replication", "family": family}
                                | {"dataset": dataset, "group": groups_of.of_split(number, group)}
                                | {"role": "student", "metric": part.metric, "method": method}
                                | {"k": 3, "alpha": 0.5, "label_source": "sampled"}
                                | {"estimate": estimate, "se": estimate * 0.05}
                                | {"ci_low": estimate - width, "ci_high": estimate + width}
                                | {"n_students": 40}
                            )
    return pd.DataFrame(rows)
