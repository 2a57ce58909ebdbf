"""Evidence for the claims, run by run.

Claims on tables are judged from the students, not from the estimates. Slopes, ratios and
differences of cells need a bootstrap over replicates in which all cells of a run share their
weights, since they share their random numbers. The numbers of such a verdict are therefore in the
table of claims alone. Claims on text are judged from the estimates, whose intervals are a jackknife
over students, also where conditions are compared student by student.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from kduq import seeds, statistics
from kduq.claims import gate
from kduq.claims.hypothesis import HypothesisTest
from kduq.claims.settings import ClaimsSettings
from kduq.families import FAMILIES
from kduq.families.protocol import Family
from kduq.study.paths import RunKey

#: Returns the condition columns of a run on a table, and its columns diverged, test_mse, prediction
#: and, in classification, classes: the numbers of the true classes of the test rows.
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

    def metric(self, metric: str, column: str) -> dict[Any, float]:
        """An estimate for the students, by the value of a condition column."""
        rows = self._rows("student")
        rows = rows[rows["metric"] == metric]
        return dict(zip(rows[column], rows["estimate"], strict=True))

    def teacher(self, metric: str) -> float:
        """An estimate for the teacher over all test inputs."""
        rows = self._rows("teacher")
        rows = rows[(rows["metric"] == metric) & (rows["group"] == "all")]
        return float(rows["estimate"].iloc[0])

    def _rows(self, role: str) -> pd.DataFrame:
        return self.estimates[self.estimates["role"] == role]

    def values(self, metric: str, **condition: Any) -> tuple[float, np.ndarray]:
        """Statistic of a cell and its bootstrap draws.

        Parameters
        ----------
        metric : str
            variance, test_mse, or entropy/GROUP of a group of test inputs.
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
        good = ~columns["diverged"][rows].astype(bool)
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
            return point, statistics.weighted_variance(values, self._weights)
        errors = np.where(good, columns["test_mse"][rows], np.nan)
        point = float(statistics.weighted_mean(errors, one)[0])
        return point, statistics.weighted_mean(errors, self._weights)

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


def log_pair(pair: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of a statistic and of its bootstrap draws; NaN for negative values."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log(pair[0]), np.log(pair[1])


@dataclass(frozen=True)
class TextRun:
    """Estimates of one run of language models.

    Attributes
    ----------
    key : RunKey
        Its names.
    students : pandas.DataFrame
        Estimates for the students.
    taught : str
        Group of the prompts that were taught, the default group of tests.
    reason : str, optional
        Why the quality gate withholds a verdict.
    """

    key: RunKey
    students: pd.DataFrame
    taught: str
    reason: str | None

    def grid(self, column: str) -> list[Any]:
        """Values that a condition column takes, ascending."""
        return sorted(self.students[column].dropna().unique().tolist())

    def test(
        self,
        claim: tuple[int, str, str],
        statistic: str,
        metric: str,
        threshold: float,
        where: Mapping[str, Any],
        group: str | None = None,
        **options: Any,
    ) -> HypothesisTest:
        """A test of one estimate.

        Parameters
        ----------
        claim : tuple
            Number, section and statement.
        statistic : str
            What is estimated, in words.
        metric : str
            Its name among the estimates.
        threshold : float
            Threshold of the claim.
        where : mapping
            Values of condition columns that identify the cell.
        group : str, optional
            Group of prompts; those that were taught if left out.
        **options
            Further attributes of `HypothesisTest`.

        Returns
        -------
        HypothesisTest
            With the standard error of the estimate.
        """
        rows = self.students[self.students["metric"] == metric]
        rows = rows[rows["group"] == (group or self.taught)]
        for column, value in where.items():
            rows = rows[rows[column] == value]
        row = rows.iloc[0]
        n = int(row["n_students"])
        return HypothesisTest(
            *claim,
            self.key.family,
            self.key.dataset,
            statistic,
            np.array([float(row["estimate"])]),
            np.array([float(row["se"])]),
            threshold,
            n,
            degrees=max(n - 1, 1),
            reason=self.reason,
            **options,
        )


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
        self.margins = settings.margins
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
            yield TextRun(key, student, taught, " ".join(reasons) or None)
