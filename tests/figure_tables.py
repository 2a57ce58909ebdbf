"""Tables made by hand, from which every figure on tables can be drawn."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from kduq.artifacts import schemas

#: Families by task, the one with a closed form first.
REGRESSION, CLASSIFICATION = ("linear", "mlp"), ("softmax", "mlp")
#: Numbers of responses per input.
KS = (3, 5, 10, 20, 50)


def names(number: int) -> list[str]:
    """Names of data sets: built-in ones, and from the third on long ones of a user."""
    known = ["boston_housing", "diabetes"]
    return [*known, *(f"a_table_of_a_user_with_a_long_name_{i}" for i in range(number))][:number]


class Made:
    """Rows of estimates, whose intervals are a few percent wide, or missing."""

    def __init__(self, experiment: str, has_intervals: bool = True) -> None:
        self._experiment, self._has_intervals = experiment, has_intervals
        self._rows: list[dict[str, Any]] = []

    def add(self, family: str, dataset: str, metric: str, estimate: float, **more: Any) -> None:
        """Add a row; ``more`` are columns, and ``wide``, the half width of the interval."""
        wide = more.pop("wide", 0.05 * abs(estimate)) if self._has_intervals else np.nan
        limits = {"ci_low": estimate - wide, "ci_high": estimate + wide, "se": wide / 1.96}
        self._rows.append(
            {"experiment": self._experiment, "family": family, "dataset": dataset}
            | {"role": "student", "group": "all", "metric": metric, "estimate": estimate}
            | {"n_students": 40, **limits, **more}
        )

    def table(self) -> pd.DataFrame:
        """The table, with the columns of the artifact."""
        table = pd.DataFrame(self._rows).reindex(columns=list(schemas.columns("estimates")))
        numbers = [c for c, kind in schemas.CONDITION.items() if str(kind) != "string"]
        return table.astype(dict.fromkeys(numbers, float))


def teacher_noise(
    datasets: Sequence[str],
    families: Sequence[str] = REGRESSION,
    has_intervals: bool = True,
    factor: float = 7.0,
) -> pd.DataFrame:
    """Variances in proportion to the noise, of networks ``factor`` times those of the first."""
    made = Made("teacher_noise", has_intervals)
    for dataset in datasets:
        for family in families:
            scale = 3.0 * (factor if family == "mlp" else 1)
            for alpha in (0, 0.1, 0.2, 0.4, 0.7, 1, 1.5, 2):
                variance = scale * (alpha + (0.05 if family == "mlp" else 0))
                made.add(family, dataset, "inter_student_variance", variance, alpha=alpha)
                made.add(family, dataset, "test_mse_mean", 20 + variance, alpha=alpha)
                if family == "linear":
                    made.add(
                        family,
                        dataset,
                        "theory_inter_student_variance",
                        3.0 * alpha,
                        alpha=alpha,
                        wide=np.nan,
                    )
                made.add(family, dataset, "diverged_count", 1.0, alpha=alpha, wide=np.nan)
    return made.table()


def student_init(
    datasets: Sequence[str],
    families: Sequence[str] = ("mlp",),
    has_intervals: bool = True,
    change: float = 0.05,
) -> pd.DataFrame:
    """Relative changes up to ``change`` of the variance, and minus half of that of the error."""
    made = Made("student_init", has_intervals)
    for dataset in datasets:
        for family in families:
            for s in (0.0, 0.1, 0.2, 0.4):
                if s:
                    for metric, part in (("inter_student_variance", 1), ("test_mse", -0.5)):
                        value = part * change * s / 0.4
                        made.add(
                            family, dataset, f"{metric}_change", value, init_noise=s, wide=0.02
                        )
                for moment, value in (("before", 0.1 + s**2), ("after", 0.2 + s**2)):
                    metric = f"parameter_variance_{moment}"
                    made.add(family, dataset, metric, value, init_noise=s)
    return made.table()


def bootstrap(
    datasets: Sequence[str],
    families: Sequence[str] = REGRESSION,
    has_intervals: bool = True,
    ratio: float = 0.6,
) -> pd.DataFrame:
    """Ratios of the variance of teacher labels to true labels; zero for linear students."""
    made = Made("bootstrap", has_intervals)
    for dataset in datasets:
        for family in families:
            for fraction in (0.1, 0.3, 0.5, 0.7, 1.0):
                value = 0.0 if family == "linear" else ratio + 0.02 * fraction
                made.add(
                    family,
                    dataset,
                    "variance_ratio_to_truth",
                    value,
                    sample_fraction=fraction,
                    label_source="teacher",
                    wide=0.03 if value else np.nan,
                )
    return made.table()


def student_output(
    datasets: Sequence[str],
    families: Sequence[str] = CLASSIFICATION,
    has_intervals: bool = True,
    ratio: float = 1.0,
) -> pd.DataFrame:
    """Entropies of students of hard labels ``ratio`` times the teacher's, and information ~ 1/k."""
    made = Made("student_output", has_intervals)
    for dataset in datasets:
        for number, family in enumerate(families):
            own = 0.2 + 0.1 * number
            made.add(family, dataset, "predictive_entropy", own, role="teacher", wide=np.nan)
            errors = {"role": "teacher", "wide": np.nan}
            made.add(family, dataset, "entropy_ratio_of_errors", 4.0, **errors)
            sources = [("hard", None, ratio), ("soft", None, 1.05), ("sampled", 1, 1.2)]
            sources += [("averaged", k, 1 + 0.2 / k) for k in KS]
            for source, k, factor in sources:
                cell = {"label_source": source, "k": k}
                made.add(family, dataset, "predictive_entropy", factor * own, **cell)
                made.add(family, dataset, "mutual_information", 0.2 / (k or 100), **cell)
                made.add(family, dataset, "entropy_ratio_of_errors", 3 * ratio, **cell)
                made.add(family, dataset, "test_inputs", 3.0, group="incorrect", **cell)
    return made.table()


def predictive_distribution(
    datasets: Sequence[str],
    families: Sequence[str] = ("mlp",),
    has_intervals: bool = True,
    ratio: float = 0.8,
) -> pd.DataFrame:
    """Variances within students over the teacher's: ``ratio``, of averages 1/k of that."""
    made = Made("predictive_distribution", has_intervals)
    for dataset in datasets:
        for family in families:
            for alpha in (0.1, 0.5):
                cells = [("single", 1, ratio)]
                for k in (3, 10):
                    cells += [("averaging", k, ratio / k), ("multi_response", k, ratio)]
                for method, k, value in cells:
                    cell = {"alpha": alpha, "k": k, "method": method}
                    made.add(family, dataset, "intra_variance_ratio", value, **cell)
    return made.table()


def variance_aware(
    datasets: Sequence[str],
    families: Sequence[str] = REGRESSION,
    has_intervals: bool = True,
    ratio: float = 0.75,
    alphas: Sequence[float] = (0.01, 0.1, 0.5, 1),
) -> pd.DataFrame:
    """Ratios to averaging: ``ratio`` of plug-in weighting and pilots' mean, less of an oracle."""
    made = Made("variance_aware", has_intervals)
    for number, dataset in enumerate(datasets):
        for family in families:
            for alpha in alphas:
                for k in KS:
                    cell = {"alpha": alpha, "k": k}
                    one = {"method": "averaging", **cell}
                    made.add(family, dataset, "variance_ratio_to_single", 1 / k, **one)
                    for method, value in (
                        ("variance_weighting", ratio if family == "mlp" else 1.0),
                        ("pilot_mean", 1.01 * ratio if family == "mlp" else 1.0),
                        ("variance_weighting_oracle", (1 - 1 / (1 + alpha * k)) / (1 + number)),
                    ):
                        own = {"method": method, **cell}
                        made.add(family, dataset, "variance_ratio_to_averaging", value, **own)
                        error = 1 + (value - 1) / 10
                        made.add(family, dataset, "test_mse_ratio_to_averaging", error, **own)
                        made.add(family, dataset, "variance_ratio_to_single", value / k, **own)
    return made.table()


def decomposition(
    datasets: Sequence[str],
    families: Sequence[str] = REGRESSION,
    has_intervals: bool = True,
    main: str = "noise",
) -> pd.DataFrame:
    """Shares of the variance, of which the factor ``main`` has most."""
    made = Made("decomposition", has_intervals)
    factors = {"linear": ("noise", "bootstrap"), "mlp": ("noise", "initialisation", "bootstrap")}
    for dataset in datasets:
        for family in families:
            own = factors[family]
            pairs = [f"{a}_{b}" for i, a in enumerate(own) for b in own[i + 1 :]]
            terms = [*own, *pairs, *(["residual"] if len(own) > 2 else [])]
            rest = 0.4 / (len(terms) - 1)
            for term in terms:
                share = 0.6 if term == main else rest
                made.add(family, dataset, f"variance_share_{term}", share, alpha=0.5, wide=0.08)
            for factor in own:
                within = [t for t in terms if t == "residual" or factor in t.split("_")]
                value = sum(0.6 if t == main else rest for t in within)
                metric = f"variance_share_total_effect_{factor}"
                made.add(family, dataset, metric, value, alpha=0.5, wide=0.08)
            made.add(family, dataset, "variance_component_total", 5.0, alpha=0.5)
    return made.table()


def study_variance(
    datasets: Sequence[str],
    families: Sequence[str] = REGRESSION,
    has_intervals: bool = True,
    between_splits: float = 0.2,
) -> pd.DataFrame:
    """Shares of the variance between studies, a tenth of it between the teachers of a split."""
    made = Made("study_variance", has_intervals)
    factors = {"linear": ("split", "noise"), "mlp": ("split", "teacher", "noise", "initialisation")}
    for dataset in datasets:
        for family in families:
            own = factors[family]
            pairs = [f"{a}_{b}" for i, a in enumerate(own) for b in own[i + 1 :]]
            terms = [*own, *pairs, *(["residual"] if len(own) > 2 else [])]
            for term in terms:
                made.add(family, dataset, f"variance_share_{term}", 1 / len(terms), alpha=0.5)
            teachers = 0.1 if "teacher" in own else 0.0
            nested = {"split": between_splits, "students": 1 - between_splits - teachers}
            nested |= {"teacher": teachers} if teachers else {}
            for level, value in nested.items():
                metric = f"variance_share_nested_{level}"
                made.add(family, dataset, metric, value, alpha=0.5, wide=0.08)
            made.add(family, dataset, "variance_component_total", 5.0, alpha=0.5)
    return made.table()


def plan(
    datasets: Sequence[str],
    families: Sequence[str] = REGRESSION,
    has_intervals: bool = True,
    best: int = 7,
) -> pd.DataFrame:
    """Costs of designs by the number of responses, least at ``best``."""
    rows = []
    for family in families:
        for dataset in datasets:
            for pilot, factor in (("estimate", 1.0), ("upper", 1.6)):
                for k in (1, 2, 3, 5, 7, 10, 20, 50):
                    cost = factor * 100 * (1 + 0.5 * np.log(k / best) ** 2)
                    rows.append(
                        {"family": family, "dataset": dataset, "alpha": 0.5, "pilot": pilot}
                        | {"width": 0.1, "unit": 1.0, "students": round(800 / k), "responses": k}
                        | {"draws": np.nan, "cost": cost if has_intervals else np.nan}
                        | {"optimum": k == best, "resampled": False}
                    )
    return pd.DataFrame(rows)


def claims(
    datasets: Sequence[str],
    families: Sequence[str] = REGRESSION,
    has_intervals: bool = True,
    number: int = 4,
    verdict: str = "supported",
) -> pd.DataFrame:
    """Rows of verdicts of a claim: two statements, of which one is judged at several alphas."""
    rows: list[dict[str, Any]] = []
    for dataset in datasets:
        for family in families:
            for statement, statistic in (
                ("variance_weighting is no worse than averaging at every k from 3 on", "mean"),
                *(
                    ("Averaging k responses divides the variance due to noise by k", a)
                    for a in (0.1, 1)
                ),
            ):
                is_mean = statistic == "mean"
                words = "mean ratio, over alpha and k, of inter-student variance to averaging's"
                if not is_mean:
                    words = f"k times the variance over that of one response, alpha = {statistic}"
                rows.append(
                    {"claim": number, "section": "7", "statement": statement, "family": family}
                    | {"dataset": dataset, "statistic": words, "estimate": 0.8}
                    | {"ci_low": 0.7, "ci_high": 0.9 if is_mean else 40.0, "threshold": 1.0}
                    | {"margin": 1.1, "relation": "not_above" if is_mean else "equal"}
                    | {"boundary_low": np.nan if is_mean else 1 / 1.1, "boundary_high": 1.1}
                    | {"p_adjusted": 0.01, "power": 0.9, "kind": "claim", "verdict": verdict}
                    | {"reason": None, "n_students": 4000, "n_splits": np.nan}
                )
    table = pd.DataFrame(rows)
    if not has_intervals:
        table = table.assign(ci_low=np.nan, ci_high=np.nan, verdict="inconclusive")
    return table


#: Functions that make the table of a figure from the names of data sets, by its name.
TABLES = {
    "teacher_noise": teacher_noise,
    "student_init": student_init,
    "bootstrap": bootstrap,
    "student_output": student_output,
    "student_output_responses": student_output,
    "predictive_distribution": predictive_distribution,
    "variance_aware": variance_aware,
    "decomposition": decomposition,
    "study_variance": study_variance,
    "plan": plan,
    "claim_04": claims,
}
