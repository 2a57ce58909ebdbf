"""Evidence for the claims, run by run.

Claims on tables are judged from the students, not from the estimates. Slopes, ratios and
differences of cells need a bootstrap over replicates in which all cells of a run share their
weights, since they share their random numbers. The numbers of such a verdict are therefore in the
table of claims alone. Claims on text are judged from the estimates, whose errors are over students
and prompts, also where conditions are compared student by student.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from kduq import seeds, statistics
from kduq.claims import gate
from kduq.claims.hypothesis import HypothesisTest, Relation
from kduq.claims.settings import ClaimsSettings
from kduq.claims.splits import SplitEvidence
from kduq.estimates.groups import parts_of
from kduq.families import FAMILIES
from kduq.families.protocol import Family
from kduq.study.paths import RunKey

#: Groups of prompts in words.
GROUPS = {"all": "all prompts", "train": "taught prompts", "test": "held-out wordings"}
#: A variance below this share of the mean square is rounding of predictions in single precision.
_ROUNDING = 1e-13
#: Largest number of values whose logarithms are taken at once.
_VALUES_AT_ONCE = 1 << 22

#: Returns the condition columns of a run on a table, and its columns diverged, rank_deficient,
#: test_mse, prediction and, in classification, classes: the numbers of the true classes of the test
#: rows.
Students = Callable[[RunKey], tuple[pd.DataFrame, dict[str, Any]]]


@dataclass
class TabularRun:
    """Variances and errors of the cells of one run on a table, with their bootstrap.

    Attributes
    ----------
    key : RunKey
        Its names.
    estimates : pandas.DataFrame
        Of the run.
    load : callable
        Reads its students.
    draws : int
        Number of bootstrap samples.
    seed : int
        The study's seed.
    """

    key: RunKey
    estimates: pd.DataFrame
    load: Students
    draws: int
    seed: int
    _size: dict[tuple[Any, ...], int] = field(default_factory=dict)
    _used: dict[tuple[Any, ...], int] = field(default_factory=dict)
    _computed: dict[tuple[Any, ...], tuple[float, np.ndarray]] = field(default_factory=dict)
    _loaded: tuple[pd.DataFrame, dict[str, np.ndarray]] | None = None
    _weights: np.ndarray | None = None
    _pair_weights: np.ndarray | None = None

    @property
    def family(self) -> Family:
        """Its family."""
        return FAMILIES[self.key.family]

    @property
    def names(self) -> tuple[str, str]:
        """Family and data set, as in a row of the verdicts."""
        return self.key.family, self.key.dataset

    def grid(self, column: str) -> list[Any]:
        """Values that a condition column takes, ascending."""
        return sorted(self._rows("student")[column].dropna().unique().tolist())

    def cells(self, method: str, columns: Sequence[str]) -> list[dict[str, Any]]:
        """Values of some condition columns, for every condition of a method."""
        rows = self._rows("student")
        rows = rows[rows["method"] == method][list(columns)].drop_duplicates()
        return [{str(k): v for k, v in row.items()} for row in rows.to_dict("records")]

    def metric(self, metric: str, column: str) -> dict[Any, float]:
        """An estimate for the students, by the value of a condition column."""
        rows = self._rows("student")
        rows = rows[(rows["metric"] == metric) & (rows["group"] == "all")]
        return dict(zip(rows[column], rows["estimate"], strict=True))

    def share(self, metric: str) -> float:
        """Share of all students that a count among the estimates counts."""
        rows = self._rows("student")
        rows = rows[(rows["metric"] == metric) & (rows["group"] == "all")]
        students = rows["n_students"].sum()
        return float(rows["estimate"].sum() / students) if students else 0.0

    def teacher(self, metric: str) -> float:
        """An estimate for the teacher over all test inputs."""
        rows = self._rows("teacher")
        rows = rows[(rows["metric"] == metric) & (rows["group"] == "all")]
        return float(rows["estimate"].iloc[0])

    def _rows(self, role: str) -> pd.DataFrame:
        return self.estimates[self.estimates["role"] == role]

    def values(self, metric: str, **condition: Any) -> tuple[float, np.ndarray]:
        """Statistic of a cell and its bootstrap draws.

        Students without a unique solution (`rank_deficient`) are excluded: their variance is that
        of a few solutions of minimum norm, not of the method.

        Parameters
        ----------
        metric : str
            variance (zero if it is no larger than the rounding of predictions),
            variance_given_initialisation (of students whose pairs of replicates start at the same
            parameters), test_mse, mutual_information, or entropy/GROUP of a group of test inputs.
        **condition
            Values of condition columns that identify the cell.

        Returns
        -------
        float
            The statistic.
        ndarray of shape (D,)
            Its value in each bootstrap sample.
        """
        cell = tuple(sorted(condition.items()))
        name = (metric, *cell)
        if name not in self._computed:
            self._computed[name] = self._compute(metric, condition)
        self._used[cell] = self._size[cell]
        return self._computed[name]

    def _compute(self, metric: str, condition: dict[str, Any]) -> tuple[float, np.ndarray]:
        if self._loaded is None:
            self._loaded = self.load(self.key)
        conditions, columns = self._loaded
        rows = np.ones(len(conditions), dtype=bool)
        for column, value in condition.items():
            rows &= (conditions[column] == value).to_numpy()
        deficient = columns["rank_deficient"][rows]
        good = ~columns["diverged"][rows].astype(bool)
        # Null for families whose solutions are always unique.
        good &= ~np.array([bool(value) for value in deficient], bool)
        self._size[tuple(sorted(condition.items()))] = int(good.sum())
        if self._weights is None:
            seed = seeds.replicate_seed(self.seed, ("claims", *self.key), 0)
            self._weights = statistics.replicate_weights(
                len(good), self.draws, seeds.generator(seed, "bootstrap")
            )
        one = np.ones((1, len(good)))
        if metric.startswith("entropy/"):
            totals, counts = _entropies(columns, rows, good, metric.partition("/")[2])
            with np.errstate(invalid="ignore", divide="ignore"):
                ratios = [(w @ totals) / (w @ counts) for w in (one, self._weights)]
            return float(ratios[0][0]), ratios[1]
        if metric == "variance":
            values = columns["prediction"][rows].astype(np.float64)
            values[~good] = np.nan
            point = float(np.var(values[good], axis=0, ddof=1).mean())
            if point <= _ROUNDING * float((values[good] ** 2).mean()):
                return 0.0, np.zeros(len(self._weights))
            return point, statistics.weighted_variance(values, self._weights)
        if metric == "variance_given_initialisation":
            first, second = statistics.partners(columns["replicate"][rows])
            values = columns["prediction"][rows].astype(np.float64)
            squares = ((values[first] - values[second]) ** 2).mean(axis=1) / 2
            squares[~(good[first] & good[second])] = np.nan
            # Pairs are resampled whole: the weights of a bootstrap over as many pairs.
            pairs = self._weights_of_pairs(len(squares))
            whole = statistics.weighted_mean(squares, np.ones((1, len(squares))))
            return float(whole[0]), statistics.weighted_mean(squares, pairs)
        if metric == "mutual_information":
            values = columns["prediction"][rows][good].astype(np.float64)
            values = values.reshape(len(values), len(columns["classes"]), -1)
            values /= values.sum(axis=2, keepdims=True)
            whole = _mutual_information(values, one[:, good])
            return float(whole[0]), _mutual_information(values, self._weights[:, good])
        errors = np.where(good, columns["test_mse"][rows], np.nan)
        point = float(statistics.weighted_mean(errors, one)[0])
        return point, statistics.weighted_mean(errors, self._weights)

    def _weights_of_pairs(self, number: int) -> np.ndarray:
        if self._pair_weights is None:
            seed = seeds.replicate_seed(self.seed, ("claims", *self.key), 1)
            stream = seeds.generator(seed, "bootstrap")
            self._pair_weights = statistics.replicate_weights(number, self.draws, stream)
        return self._pair_weights

    def curve(
        self, metric: str, cells: Sequence[Mapping[str, Any]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Statistics of several cells, shape (C,), and their bootstrap draws, shape (D, C)."""
        pairs = [self.values(metric, **cell) for cell in cells]
        return np.array([point for point, _ in pairs]), np.column_stack([d for _, d in pairs])

    def take_used(self) -> int:
        """Students in the cells that were used since the last call."""
        total = sum(self._used.values())
        self._used = {}
        return total

    def release(self) -> None:
        """Free the memory of the students; computed statistics stay."""
        self._loaded = None


def _mutual_information(probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mutual information between students in each weighting of them, shape (D,).

    H(mean p) - mean H(p), times n/(n - 1) for n students: like a variance, it is too low by that
    factor to second order. A bootstrap sample takes it once more.

    Parameters
    ----------
    probabilities : ndarray of shape (n, m, C)
        Class probabilities.
    weights : ndarray of shape (D, n)
        Of the students.
    """
    n, rows, _ = probabilities.shape
    total = weights.sum(axis=1, keepdims=True)
    shares = weights / total
    within = shares @ statistics.entropy(probabilities).mean(axis=1)
    flat = probabilities.reshape(n, -1)
    found = np.empty(len(weights))
    step = max(1, _VALUES_AT_ONCE // flat.shape[1])
    for start in range(0, len(weights), step):
        mixture = (shares[start : start + step] @ flat).reshape(-1, rows, probabilities.shape[2])
        found[start : start + step] = statistics.entropy(mixture).mean(axis=1)
    resampled = n / (n - 1) if not (weights == 1).all() else 1.0
    return (found - within) * n / (n - 1) * resampled


def _entropies(
    columns: dict[str, np.ndarray], rows: np.ndarray, good: np.ndarray, group: str
) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of each student's predictive entropies over a group of test inputs."""
    classes = columns["classes"]
    probabilities = columns["prediction"][rows].reshape(len(good), len(classes), -1)
    members = np.broadcast_to(good[:, None], probabilities.shape[:2])
    if group != "all":
        members = members & ((probabilities.argmax(axis=2) == classes) == (group == "correct"))
    entropies = statistics.entropy(probabilities.astype(np.float64))
    totals = np.where(members, entropies, 0).sum(axis=1)
    return totals, members.sum(axis=1).astype(np.float64)


@dataclass(frozen=True)
class TextRun:
    """Estimates of one run of language models.

    Attributes
    ----------
    key : RunKey
        Its names.
    students : pandas.DataFrame
        Estimates for the students.
    teacher : pandas.DataFrame
        Estimates for the teacher.
    taught : str
        Group of the prompts that were taught, the default group of tests.
    withheld : str, optional
        Why the quality gate withholds a verdict.
    """

    key: RunKey
    students: pd.DataFrame
    teacher: pd.DataFrame
    taught: str
    withheld: str | None

    def grid(self, column: str) -> list[Any]:
        """Values that a condition column takes, ascending."""
        return sorted(self.students[column].dropna().unique().tolist())

    def test(
        self,
        claim: tuple[int, str, str],
        statistic: str,
        metric: str,
        relation: Relation,
        threshold: float,
        margin: float,
        where: Mapping[str, Any],
        group: str | None = None,
        withheld: str | None = None,
    ) -> HypothesisTest | None:
        """A test of one estimate.

        Parameters
        ----------
        claim : tuple
            Number, section and statement.
        statistic : str
            What is estimated, in words; the group of prompts is added.
        metric : str
            Its name among the estimates.
        relation, threshold, margin
            See `HypothesisTest`.
        where : mapping
            Values of condition columns that identify the cell.
        group : str, optional
            Group of prompts; those that were taught if left out.
        withheld : str, optional
            Why there is no verdict on this estimate, whatever it is.

        Returns
        -------
        HypothesisTest or None
            With the standard error of the estimate, which is over students and prompts; None if the
            study has no such estimate.
        """
        group = group or self.taught
        rows = self._rows(metric, where, group)
        if rows.empty:
            return None
        row = rows.iloc[0]
        n = int(row["n_students"])
        over_prompts = bool(np.isfinite(row["se_prompts"]))
        degrees = statistics.degrees_of_freedom(
            row["se_students"], row["se_prompts"], n, int(row["n_prompts"]) if over_prompts else 0
        )
        return HypothesisTest(
            *claim,
            self.key.family,
            self.key.dataset,
            f"{statistic}, {GROUPS[group]}",
            np.array([float(row["estimate"])]),
            np.array([float(row["se"])]),
            relation,
            threshold,
            margin,
            n,
            degrees=degrees,
            over_prompts=over_prompts,
            withheld=self.withheld or withheld,
        )

    def value(self, metric: str, where: Mapping[str, Any], group: str) -> float:
        """An estimate, NaN if the study has none."""
        rows = self._rows(metric, where, group)
        return float(rows["estimate"].iloc[0]) if len(rows) else np.nan

    def _rows(self, metric: str, where: Mapping[str, Any], group: str) -> pd.DataFrame:
        rows = self.students[(self.students["metric"] == metric)]
        rows = rows[rows["group"] == group]
        for column, value in where.items():
            rows = rows[rows[column] == value]
        return rows

    def teacher_value(self, metric: str, group: str) -> float:
        """An estimate for the teacher, NaN if the study has none."""
        rows = self.teacher[(self.teacher["metric"] == metric) & (self.teacher["group"] == group)]
        return float(rows["estimate"].iloc[0]) if len(rows) else np.nan

    def temperatures(self, method: str) -> list[tuple[dict[str, float], str]]:
        """Temperatures of a method: the values that identify each, and words for it.

        Without a second temperature the words are empty.
        """
        rows = self.students[self.students["method"] == method]
        found = sorted(rows["temperature"].dropna().unique().tolist())
        if len(found) < 2:
            return [({"temperature": t}, "") for t in found] or [({}, "")]
        return [({"temperature": t}, f", temperature {t:g}") for t in found]

    def groups(self) -> tuple[str, ...]:
        """Groups of prompts on which claims are judged: taught and held-out ones."""
        return ("train", "test") if self.taught == "train" else ("all",)


class Evidence:
    """Students and estimates of a study, from which claims are judged.

    Parameters
    ----------
    settings : ClaimsSettings
        Margins, quality gate and bootstrap.
    estimates : pandas.DataFrame
        The gathered estimates.
    keys : list of RunKey
        Runs on tables.
    students : callable
        Reads the students of such a run.
    losses : dict of RunKey to pandas.DataFrame
        Loss curves of the students of every run of language models.
    """

    def __init__(
        self,
        settings: ClaimsSettings,
        estimates: pd.DataFrame,
        keys: Sequence[RunKey],
        students: Students,
        losses: Mapping[RunKey, pd.DataFrame],
    ) -> None:
        self.margins, self.confidence = settings.margins, settings.confidence
        self._gate = settings.gate
        self._estimates, self._losses = estimates, losses
        self._tabular = {
            key: TabularRun(key, self._of(key), students, settings.bootstrap_draws, settings.seed)
            for key in keys
        }

    def _of(self, key: RunKey) -> pd.DataFrame:
        table = self._estimates
        rows = np.ones(len(table), bool)
        for column, value in key._asdict().items():
            rows &= (table[column] == value).to_numpy()
        return table[rows]

    def tabular(self, experiment: str, closed_form: bool | None = None) -> Iterator[TabularRun]:
        """Runs on tables of an experiment, one at a time in memory.

        Parameters
        ----------
        experiment : str
            Its name.
        closed_form : bool, optional
            Whether theory predicts the variance of the family; None for either.

        Yields
        ------
        TabularRun
            Its students are freed when the next run is requested.
        """
        for key, run in self._tabular.items():
            if key.experiment == experiment and closed_form in (None, run.family.closed_form):
                yield run
                run.release()

    def text(self, experiment: str) -> Iterator[TextRun]:
        """Runs of language models of an experiment."""
        for key, curves in self._losses.items():
            if key.experiment != experiment:
                continue
            rows = self._of(key)
            teacher, student = (rows[rows["role"] == role] for role in ("teacher", "student"))
            taught = "train" if (student["group"] == "train").any() else "all"
            reasons = gate.teacher_gate(teacher, self._gate)
            reasons += gate.student_gate(curves, self._gate)
            yield TextRun(key, student, teacher, taught, " ".join(reasons) or None)

    def over_splits(self, experiment: str) -> Iterator[SplitEvidence]:
        """Runs of an experiment whose design has several splits."""
        table = self._estimates
        names = table.loc[table["experiment"] == experiment, list(RunKey._fields)]
        for values in names.drop_duplicates().itertuples(index=False, name=None):
            key = RunKey(*values)
            yield SplitEvidence(key, self._of(key), dict(self._failing_splits(key)))

    def _failing_splits(self, key: RunKey) -> Iterator[tuple[int, str]]:
        """Splits of a run that do not pass the gate, and why; those of tables all pass."""
        curves = self._losses.get(key)
        if curves is None:
            return
        rows = self._of(key)
        parts = [parts_of(name) for name in rows["group"]]
        number = np.array([np.nan if split is None else split for split, _ in parts])
        rows = rows.assign(group=[group for _, group in parts])
        for split in sorted(set(curves["split_number"])):
            reasons = gate.teacher_gate(rows[number == split], self._gate)
            reasons += gate.student_gate(curves[curves["split_number"] == split], self._gate)
            if reasons:
                yield int(split), " ".join(reasons)
