"""Claims on linear regression, classifiers and networks, judged from the students themselves.

Standard errors are a bootstrap over replicates in which all cells of a run share their weights,
since they share their random numbers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from kduq import seeds
from kduq.claims.verdicts import Test
from kduq.statistics import estimators as statistics

RunKey = tuple[str, str, str]
#: Gives the condition columns and the diverged, test_mse and prediction columns of a run, and in
#: classification the numbers of the true classes of the test rows, classes.
Students = Callable[[RunKey], tuple[pd.DataFrame, dict[str, np.ndarray]]]


@dataclass
class _Run:
    """Variances and errors of the cells of one run, with their bootstrap."""

    key: RunKey
    load: Students
    draws: int
    seed: int
    _size: dict[tuple[Any, ...], int] = field(default_factory=dict)
    _used: dict[tuple[Any, ...], int] = field(default_factory=dict)
    _known: dict[tuple[Any, ...], tuple[float, np.ndarray]] = field(default_factory=dict)
    _loaded: tuple[pd.DataFrame, dict[str, np.ndarray]] | None = None
    _weights: np.ndarray | None = None

    def values(self, metric: str, **wanted: Any) -> tuple[float, np.ndarray]:
        """Statistic of a cell and its bootstrap draws; metric is variance or test_mse."""
        cell = tuple(sorted(wanted.items()))
        name = (metric, *cell)
        if name not in self._known:
            self._known[name] = self._compute(metric, wanted)
        self._used[cell] = self._size[cell]
        return self._known[name]

    def _compute(self, metric: str, wanted: dict[str, Any]) -> tuple[float, np.ndarray]:
        if self._loaded is None:
            self._loaded = self.load(self.key)
        conditions, columns = self._loaded
        rows = np.ones(len(conditions), dtype=bool)
        for column, value in wanted.items():
            rows &= (conditions[column] == value).to_numpy()
        good = ~columns["diverged"][rows].astype(bool)
        self._size[tuple(sorted(wanted.items()))] = int(good.sum())
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

    def curve(self, metric: str, cells: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
        """Statistics of several cells: (C,) and (D, C)."""
        found = [self.values(metric, **cell) for cell in cells]
        return np.array([point for point, _ in found]), np.column_stack([d for _, d in found])

    def used(self) -> int:
        """Students in the cells that were asked for since the last call."""
        total = sum(self._used.values())
        self._used = {}
        return total

    def release(self) -> None:
        """Forget the students; what was computed from them stays."""
        self._loaded = None


def _entropies(
    columns: dict[str, np.ndarray], rows: np.ndarray, good: np.ndarray, group: str
) -> tuple[np.ndarray, np.ndarray]:
    """Sum of each student's predictive entropies over a group of test inputs, and their number."""
    classes = columns["classes"]
    probabilities = columns["prediction"][rows].reshape(len(good), len(classes), -1)
    members = np.broadcast_to(good[:, None], probabilities.shape[:2])
    if group != "all":
        members = members & ((probabilities.argmax(axis=2) == classes) == (group == "correct"))
    entropies = statistics.entropy(probabilities.astype(np.float64))
    totals = np.where(members, entropies, 0).sum(axis=1)
    return totals, members.sum(axis=1).astype(np.float64)


@dataclass(frozen=True)
class _Evidence:
    settings: dict[str, Any]
    estimates: pd.DataFrame
    runs: dict[RunKey, _Run]

    def of(self, experiment: str, *families: str) -> Iterator[tuple[str, str, _Run]]:
        """Runs of an experiment, one at a time in memory."""
        for (name, family, dataset), run in self.runs.items():
            if name == experiment and (not families or family in families):
                yield family, dataset, run
                run.release()

    def grid(self, run: _Run, column: str) -> list[Any]:
        """Values that a condition column takes in a run, ascending."""
        return sorted(self._rows(run)[column].dropna().unique().tolist())

    def _rows(self, run: _Run) -> pd.DataFrame:
        table = self.estimates
        experiment, family, dataset = run.key
        mine = (
            (table["experiment"] == experiment)
            & (table["family"] == family)
            & (table["dataset"] == dataset)
        )
        return table[mine & (table["role"] == "student")]

    def teacher(self, run: _Run, metric: str) -> float:
        """A number of the run's teacher over all test inputs."""
        experiment, family, dataset = run.key
        table = self.estimates
        mine = (table["experiment"] == experiment) & (table["family"] == family)
        mine &= (table["dataset"] == dataset) & (table["role"] == "teacher")
        mine &= (table["metric"] == metric) & (table["group"] == "all")
        return float(table.loc[mine, "estimate"].iloc[0])

    def metric(self, run: _Run, metric: str, column: str) -> dict[Any, float]:
        """An estimate by the value of a condition column."""
        rows = self._rows(run)
        rows = rows[rows["metric"] == metric]
        return dict(zip(rows[column], rows["estimate"], strict=True))


def _log(pair: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log(pair[0]), np.log(pair[1])


def _proportional_to_noise(evidence: _Evidence) -> Iterator[Test]:
    statement = "Inter-student variance of linear students is proportional to the teacher's noise"
    for family, dataset, run in evidence.of("teacher_noise", "linear"):
        alphas = np.array([a for a in evidence.grid(run, "alpha") if a > 0])
        if len(alphas) < 2:
            continue
        point, draws = run.curve("variance", [{"alpha": a} for a in alphas])
        theory = evidence.metric(run, "theory_inter_student_variance", "alpha")
        exact = np.array([theory[a] for a in alphas])
        slope = statistics.log_log_slope(alphas, point), statistics.log_log_slope(alphas, draws)
        used = run.used()
        common = (1, "4", statement, family, dataset)
        yield Test.resampled(
            *common,
            "distance from 1 of the slope of log variance on log alpha",
            np.array([slope[0]]) - 1,
            slope[1][:, None] - 1,
            evidence.settings["slope_margin"],
            used,
            absolute=True,
        )
        # On common random numbers every alpha has the same ratio; one stands for all.
        ratio = _log((point[-1:] / exact[-1:], draws[:, -1:] / exact[-1]))
        yield Test.resampled(
            *common,
            "ratio to the closed form s² mean diag Z(X'X)⁻¹Z', or its inverse if larger",
            *ratio,
            float(np.log(evidence.settings["ratio_margin"])),
            used,
            absolute=True,
            ratio=True,
        )


def _networks_amplify(evidence: _Evidence) -> Iterator[Test]:
    linear = {dataset: run for _, dataset, run in evidence.of("teacher_noise", "linear")}
    for family, dataset, run in evidence.of("teacher_noise", "mlp"):
        alphas = evidence.grid(run, "alpha")
        if alphas[0] != 0 or len(alphas) < 2:
            continue
        point, draws = run.curve("variance", [{"alpha": a} for a in alphas])
        used = run.used()
        growth = _log((point[-1:] / point[0], draws[:, -1:] / draws[:, :1]))
        yield Test.resampled(
            2,
            "4",
            "Inter-student variance of networks grows with the teacher's noise",
            family,
            dataset,
            f"ratio of inter-student variance at alpha = {alphas[-1]:g} to alpha = 0",
            *growth,
            0.0,
            used,
            above=True,
            ratio=True,
        )
        other = linear.get(dataset)
        if other is None:
            continue
        shared = [i for i, a in enumerate(alphas) if a > 0 and a in evidence.grid(other, "alpha")]
        line = other.curve("variance", [{"alpha": alphas[i]} for i in shared])
        excess = _log(
            (
                (point[shared] - point[0]) / line[0],
                (draws[:, shared] - draws[:, :1]) / line[1],
            )
        )
        yield Test.resampled(
            2,
            "4",
            "Noise adds more inter-student variance to networks than to linear students",
            family,
            dataset,
            "least ratio, over alpha, of the excess over alpha = 0 to linear's variance",
            *excess,
            0.0,
            used + other.used(),
            above=True,
            ratio=True,
        )
        other.release()


def _averaging(evidence: _Evidence) -> Iterator[Test]:
    floors = {(f, d): run for f, d, run in evidence.of("teacher_noise")}
    for family, dataset, run in evidence.of("variance_aware"):
        ks = np.array(evidence.grid(run, "k"))
        floor_run = floors.get((family, dataset))
        if len(ks) < 2 or "averaging" not in evidence.grid(run, "method"):
            continue
        floor, floor_draws, used = 0.0, np.zeros(1), 0
        if family != "linear":
            if floor_run is None or 0 not in evidence.grid(floor_run, "alpha"):
                continue
            floor, floor_draws = floor_run.values("variance", alpha=0.0)
            used = floor_run.used()
            floor_run.release()
        for alpha in evidence.grid(run, "alpha"):
            cells = [{"method": "averaging", "alpha": alpha, "k": k} for k in ks]
            point, draws = run.curve("variance", cells)
            slope = statistics.log_log_slope(ks, point - floor)
            slope_draws = statistics.log_log_slope(ks, draws - floor_draws[:, None])
            less = "" if family == "linear" else ", less the variance at alpha = 0,"
            yield Test.resampled(
                3,
                "7",
                "Averaging k responses divides the variance due to teacher noise by k",
                family,
                dataset,
                f"distance from -1 of the slope of log variance{less} on log k, alpha = {alpha:g}",
                np.array([slope]) + 1,
                slope_draws[:, None] + 1,
                evidence.settings["slope_margin"],
                run.used() + used,
                absolute=True,
            )


def _variance_weighting(evidence: _Evidence) -> Iterator[Test]:
    metrics = {"variance": "inter-student variance", "test_mse": "mean test MSE"}
    for family, dataset, run in evidence.of("variance_aware"):
        ks = [k for k in evidence.grid(run, "k") if k >= 3]
        alphas, methods = evidence.grid(run, "alpha"), evidence.grid(run, "method")
        for method in ("variance_weighting", "variance_weighting_oracle"):
            if not ks or method not in methods or "averaging" not in methods:
                continue
            for metric, words in metrics.items():
                cells = [{"alpha": a, "k": k} for a in alphas for k in ks]
                ours = _log(run.curve(metric, [{"method": method, **c} for c in cells]))
                base = _log(run.curve(metric, [{"method": "averaging", **c} for c in cells]))
                yield Test.resampled(
                    4,
                    "7",
                    f"{method} is no worse than averaging at every k from 3 on",
                    family,
                    dataset,
                    f"largest ratio, over alpha and k, of {words} to averaging's",
                    ours[0] - base[0],
                    ours[1] - base[1],
                    float(np.log(evidence.settings["ratio_margin"])),
                    run.used(),
                    ratio=True,
                )


def _robust_to_initialisation(evidence: _Evidence) -> Iterator[Test]:
    for family, dataset, run in evidence.of("student_init"):
        scales = evidence.grid(run, "init_noise")
        if len(scales) < 2 or scales[0] != 0:
            continue
        for metric, words in (
            ("test_mse", "mean test MSE"),
            ("variance", "inter-student variance"),
        ):
            point, draws = run.curve(metric, [{"init_noise": s} for s in (scales[0], scales[-1])])
            yield Test.resampled(
                5,
                "5",
                "Small networks are robust to noise on their initial parameters",
                family,
                dataset,
                f"relative change of {words} from s = 0 to s = {scales[-1]:g}",
                point[1:] / point[:1] - 1,
                draws[:, 1:] / draws[:, :1] - 1,
                evidence.settings["robust_change"],
                run.used(),
                absolute=True,
            )


def _bootstrap(evidence: _Evidence) -> Iterator[Test]:
    for family, dataset, run in evidence.of("bootstrap"):
        if len(evidence.grid(run, "label_source")) < 2:
            continue
        fractions = evidence.grid(run, "sample_fraction")

        def ratio(chosen: list[float], run: _Run = run) -> tuple[np.ndarray, np.ndarray]:
            parts = [
                run.curve("variance", [{"label_source": s, "sample_fraction": f} for f in chosen])
                for s in ("teacher", "truth")
            ]
            return parts[0][0] / parts[1][0], parts[0][1] / parts[1][1]

        common = (family, dataset)
        yield Test.resampled(
            6,
            "5",
            "Over bootstrap samples, teacher labels give less variance than true labels",
            *common,
            "largest ratio, over sample sizes, of inter-student variance to true labels'",
            *ratio(fractions),
            1.0,
            run.used(),
        )
        deficient = evidence.metric(run, "rank_deficient_count", "sample_fraction")
        full = [f for f in fractions if deficient.get(f) == 0]
        if full:
            yield Test.resampled(
                6,
                "5",
                "At full rank, teacher labels leave linear students no variance",
                *common,
                "largest ratio, over full-rank sample sizes, of variance to true labels'",
                *ratio(full),
                1e-9,
                run.used(),
            )


def _entropy_is_kept(evidence: _Evidence) -> Iterator[Test]:
    for family, dataset, run in evidence.of("student_output"):
        if "hard" not in evidence.grid(run, "label_source"):
            continue
        cell = [{"label_source": "hard"}]
        point, draws = run.curve("entropy/all", cell)
        # A teacher that is certain of everything leaves nothing to be a share of.
        own = evidence.teacher(run, "predictive_entropy") or np.nan
        used = run.used()
        common = (family, dataset)
        yield Test.resampled(
            7,
            "6",
            "Students of hard labels keep the teacher's predictive entropy",
            *common,
            "ratio of mean predictive entropy to the teacher's, or its inverse if larger",
            *_log((point / own, draws / own)),
            float(np.log(evidence.settings["entropy_margin"])),
            used,
            absolute=True,
            ratio=True,
        )
        wrong, right = (run.curve(f"entropy/{group}", cell) for group in ("incorrect", "correct"))
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = wrong[0] / right[0], wrong[1] / right[1]
        yield Test.resampled(
            7,
            "6",
            "Students of hard labels are less certain where they are wrong",
            *common,
            "ratio of mean predictive entropy where incorrect to where correct",
            *_log(ratio),
            0.0,
            used,
            above=True,
            ratio=True,
        )


_CLAIMS = (
    _proportional_to_noise,
    _networks_amplify,
    _averaging,
    _variance_weighting,
    _robust_to_initialisation,
    _bootstrap,
    _entropy_is_kept,
)


def tests(
    settings: dict[str, Any], estimates: pd.DataFrame, keys: list[RunKey], students: Students
) -> Iterator[Test]:
    """Tests of every claim that the study has evidence for, claim by claim.

    Parameters
    ----------
    settings : dict
        bootstrap_draws, seed and the thresholds.
    estimates : pandas.DataFrame
        The gathered estimates.
    keys : list of tuple
        Experiment, family and data set of every run.
    students : callable
        Reads the students of a run.

    Yields
    ------
    Test
        One a row of the verdict table.
    """
    draws, seed = settings["bootstrap_draws"], settings["seed"]
    runs = {key: _Run(key, students, draws, seed) for key in keys}
    evidence = _Evidence(settings, estimates, runs)
    for claim in _CLAIMS:
        yield from claim(evidence)
