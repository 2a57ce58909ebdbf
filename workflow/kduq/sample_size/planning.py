"""Students and responses that give an interval of a wanted width at least cost.

A pilot (experiment decomposition) says how much of the variance between students is removed by
averaging k responses per input, and by averaging J draws of a student's answers.

On tables the noise of k averaged responses has the k-th part of its variance, and

    V(k) = V_0 + (V_1 - V_0) / k.

V_1 is the variance between students of one response, V_0 that of students whose labels have no
noise, to which V(k) tends. The pilot trains both. For least squares, whose predictions are linear
in the labels, V(k) is exact. For networks it is right at k = 1 and in the limit, and of first order
in the variance of the noise between. The components of the pilot do not give V_0: a network's
initial parameters matter less where labels are noisy or more, and its interactions with the noise
need not fall as 1/k.

There are two plans: for students on bootstrap samples, as in the pilot's design, and for students
on all rows, each once, as in the other experiments, which the pilot trains too.

Language models have draws in place of responses, since k sampled answers are not combined into one
label, and the pilot's students are on bootstrap samples of the prompts:

    V(J) = decoding / J + rest,

where decoding is the total effect of the draw of an answer. V is the trace of a covariance of
embeddings of unit norm. The cosine similarity of an answer to a fixed text is the scalar product
with a unit vector, so its variance is at most V, and the interval of the mean similarity to any
fixed text is at most as wide as planned (in the root mean square over prompts).

The mean prediction of S independent students, each with its own responses, has variance V/S. Its
interval has the width 2 t √(V/S), with Student's t of S - 1 degrees of freedom. Minimising
S · (student + k · responses to all inputs + J · draw) under 2 t √(V/S) ≤ width is the allocation
problem of subsampling (Marcuse 1949, Biometrics 5, 189-206; Cochran 1977, Sampling Techniques,
section 10.6): for many students k* = √(noise/rest · cost of a student/cost of responses), whatever
the width. Here all S are tried, with the t of their degrees of freedom, and k and J are integers.

The upper plan takes upper limits of V_1 and V_0 (or of decoding and rest) in place of the
estimates. Their one-sided confidence is the assurance, so that V(k), a mean of both with positive
weights, is at most as large as planned for at least that share of pilots (Browne 1995, Statistics
in Medicine 14, 1933-1940, on pilots of other designs).

The variance between students is estimated, where all inputs move together and predictions are
normal, with a relative standard error of √(2/(S - 1)), and with a smaller one where the error is
spread over several directions. Its interval needs no pilot, and further responses do not narrow it.
"""

from collections.abc import Container, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy

from kduq import artifacts
from kduq.sample_size.settings import SampleSizeSettings as Settings
from kduq.stage import Inputs, Outputs

__all__ = ["Settings", "plan", "run", "summary"]

#: Limits of the search; no design beyond them is returned.
MOST_STUDENTS = 100_000
MOST_RESPONSES = 1_000_000
MOST_DRAWS = 100
#: Widths of the curve, relative to the wanted one.
_WIDTHS = tuple(2.0 ** (step / 4) for step in range(-8, 9))
_POINTS = 24
_COMPONENT = "variance_component_"
_ONE_VARIANCE = "theory"


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the table of sample sizes; see `kduq.stage.Stage`."""
    estimates = inputs.read_all("estimates").table.to_pandas()
    scales = {Path(path).stem: _scale(path) for path in inputs.paths["examples"]}
    outputs.write("plan", plan(settings, estimates, scales))


def _scale(path: str) -> tuple[int, float]:
    """Number of training inputs, and the unit of widths; see `SampleSize`."""
    examples = artifacts.read(path, "examples")
    train = examples.column("split") == "train"
    unit = 1.0
    if "y" in examples.table.column_names:
        unit = float(examples.column("y")[train].std())
    return int(train.sum()), unit


class Parts(NamedTuple):
    """Variance between students of one response, by what reduces it; in squared units.

    noise / k + decoding / J + rest is the variance with k responses and J draws.
    """

    noise: float
    decoding: float
    rest: float


class Costs(NamedTuple):
    """Cost of a student, of one response to every input, and of one draw of answers."""

    student: float
    response: float
    draw: float


class Design(NamedTuple):
    """Students, responses per input and draws of answers, and their total cost."""

    students: int
    responses: int
    draws: int
    cost: float


#: Names of V_1 and V_0 among the estimates, by whether students are on bootstrap samples.
_SLICES = {
    True: (f"{_COMPONENT}total", "noiseless_variance"),
    False: ("full_sample_variance", "noiseless_full_sample_variance"),
}
_DRAWS = (f"{_COMPONENT}total_effect_decoding", f"{_COMPONENT}without_decoding")


def upper_limit(value: float, high: float, confidence: float, assurance: float) -> float:
    """One-sided upper limit of a variance from its two-sided interval.

    Parameters
    ----------
    value, high : float
        Estimate and upper limit.
    confidence : float
        Coverage of the two-sided interval.
    assurance : float
        Coverage of the one-sided one.

    Returns
    -------
    float
        The distance of the limit from the estimate is changed by the ratio of normal quantiles, on
        the logarithmic scale for a positive estimate, as the interval itself.
    """
    quantiles = scipy.stats.norm.ppf([assurance, 0.5 + confidence / 2])
    ratio = float(quantiles[0] / quantiles[1])
    if value > 0 and high > 0:
        return value * float((high / value) ** ratio)
    return value + (high - value) * ratio


def parts(
    variances: Mapping[str, tuple[float, float]],
    unit: float,
    resampled: bool = True,
    confidence: float = 0.95,
    assurance: float | None = None,
) -> Parts:
    """Divide the variance of a pilot by what reduces it.

    Parameters
    ----------
    variances : mapping of str to (float, float)
        Estimate and upper limit by metric, in squared units of the target: of total_effect_decoding
        and without_decoding or, without a factor decoding, of the slices; see
        `kduq.estimates.tabular_factorial`.
    unit : float
        Unit of widths, in units of the target.
    resampled : bool
        Whether students are on bootstrap samples.
    confidence : float
        Coverage of the intervals.
    assurance : float, optional
        Confidence of the one-sided limits that are taken; None for the estimates themselves.

    Returns
    -------
    Parts
        In squares of that unit. Negative parts are set to zero; a part is NaN if it has no
        interval.
    """
    has_draws = _has_draws(variances)
    values = []
    for name in _DRAWS if has_draws else _SLICES[resampled]:
        value, high = variances[name]
        if assurance is not None:
            value = upper_limit(value, high, confidence, assurance)
        values.append(float(np.maximum(value, 0.0)) / unit**2)
    if has_draws:
        return Parts(0.0, *values)
    most, noiseless = values
    return Parts(float(np.maximum(most - noiseless, 0.0)), 0.0, noiseless)


def _has_draws(variances: Container[str]) -> bool:
    """Whether more draws reduce the variance, and not more responses."""
    return _DRAWS[0] in variances


@lru_cache(maxsize=4)
def squared_half_widths(target: str, confidence: float) -> np.ndarray:
    """Squared half width of the interval from 2, 3, … students whose variance is one.

    Parameters
    ----------
    target : str
        mean, or variance; for the latter the width is relative to the variance.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    ndarray of shape (MOST_STUDENTS - 1,)
        Decreases with the number of students.
    """
    number = np.arange(2, MOST_STUDENTS + 1)
    squared: np.ndarray = scipy.stats.t.ppf(0.5 + confidence / 2, number - 1) ** 2
    return squared / number if target == "mean" else 2 * squared / (number - 1)


def cheapest(
    variance: Parts,
    costs: Costs,
    width: float,
    half_widths: np.ndarray,
    responses: int | None = None,
    draws: int | None = None,
) -> Design | None:
    """The design of least cost whose interval is on average not wider than a given width.

    Parameters
    ----------
    variance : Parts
        Variance between students, in squares of the width's unit.
    costs : Costs
        Costs in any one currency.
    width : float
        Full width of the interval: its root mean square over inputs and repetitions.
    half_widths : ndarray of shape (N,)
        From `squared_half_widths`.
    responses : int, optional
        Number of responses; None for the best number.
    draws : int, optional
        Number of draws; None for the best number.

    Returns
    -------
    Design or None
        None if no design within the limits of the search has this width.
    """
    if not np.isfinite(variance).all():
        return None
    students = np.arange(2, len(half_widths) + 2)
    best: Design | None = None
    most = MOST_DRAWS if variance.decoding > 0 else 1
    for number in range(1, 1 + most) if draws is None else (draws,):
        room = (width / 2) ** 2 / half_widths - variance.rest - variance.decoding / number
        needed = np.full(len(room), np.inf)
        # The factor keeps rounding from adding one response.
        np.divide(variance.noise * (1 - 1e-12), room, out=needed, where=room > 0)
        needed = np.maximum(np.ceil(needed), 1)
        needed[needed > MOST_RESPONSES] = np.inf
        if responses is not None:
            needed = np.where(needed <= responses, responses, np.inf)
        cost = students * (costs.student + needed * costs.response + number * costs.draw)
        i = int(cost.argmin())
        if np.isfinite(cost[i]) and (best is None or cost[i] < best.cost):
            best = Design(int(students[i]), int(needed[i]), number, float(cost[i]))
    return best


def plan(
    settings: Settings, estimates: pd.DataFrame, examples: Mapping[str, tuple[int, float]]
) -> dict[str, list[Any]]:
    """Compute sample sizes for every run of the pilot.

    Parameters
    ----------
    settings : SampleSizeSettings
        The interval, and the costs of students and responses.
    estimates : pandas.DataFrame
        Estimates of the pilot's runs.
    examples : mapping of str to (int, float)
        By data set: number of training inputs, and the unit of widths in units of the target.

    Returns
    -------
    dict of str to list
        The columns of the artifact. For every run, students on bootstrap samples or on all rows
        (resampled; language models only the former), and pilot (estimate: its estimates; upper:
        upper limits, see `parts`; theory: no pilot is needed, and resampled is false) there is the
        design of least cost for the wanted width and for other widths (optimum), and for the wanted
        width the designs with other numbers of responses or, where answers are sampled, of draws.
        students, responses, draws and cost are null where there is no design; draws is also null
        where students' answers are not sampled.
    """
    half_widths = squared_half_widths(settings.target, settings.confidence)
    whole = (estimates["role"] == "student") & (estimates["group"] == "all")
    is_pilot = estimates["metric"].str.startswith(_COMPONENT)
    is_pilot |= estimates["metric"].isin([name for pair in _SLICES.values() for name in pair])
    rows: list[dict[str, Any]] = []
    runs = estimates[whole & is_pilot].groupby(["family", "dataset"], sort=False)
    for (family, dataset), cells in runs:
        inputs, unit = examples[str(dataset)]
        limits = zip(cells["estimate"], cells["ci_high"], strict=True)
        variances = dict(zip(cells["metric"], limits, strict=True))
        has_draws = _has_draws(variances)
        response = inputs * settings.cost_response
        costs = Costs(settings.cost_student, response, settings.cost_draw if has_draws else 0.0)
        alpha = cells["alpha"].max()
        keys = {"family": family, "dataset": dataset}
        keys["alpha"] = None if np.isnan(alpha) else float(alpha)
        for resampled, pilots in _pilots(settings, variances, unit):
            own = unit if settings.target == "mean" else 1.0
            common = keys | {"unit": own, "resampled": resampled}
            rows += _designs(settings, common, pilots, costs, half_widths, has_draws)
    return {name: [row[name] for row in rows] for name in rows[0]}


def _pilots(
    settings: Settings, variances: Mapping[str, tuple[float, float]], unit: float
) -> list[tuple[bool, dict[str, Parts]]]:
    """Variances to plan with, by pilot, for students on all rows and on bootstrap samples."""
    if settings.target != "mean":
        return [(False, {_ONE_VARIANCE: Parts(0.0, 0.0, 1.0)})]
    levels = {"estimate": None, "upper": settings.assurance}
    return [
        (
            resampled,
            {
                pilot: parts(variances, unit, resampled, settings.confidence, assurance)
                for pilot, assurance in levels.items()
            },
        )
        for resampled in ((True,) if _has_draws(variances) else (False, True))
    ]


def _designs(
    settings: Settings,
    keys: Mapping[str, Any],
    pilots: Mapping[str, Parts],
    costs: Costs,
    half_widths: np.ndarray,
    has_draws: bool,
) -> list[dict[str, Any]]:
    """Rows of one run with one kind of students."""
    rows = []
    best = {p: cheapest(v, costs, settings.width, half_widths) for p, v in pilots.items()}
    compared = "draws" if has_draws else "responses"
    numbers = _numbers(getattr(design, compared) for design in best.values() if design)
    for pilot, variance in pilots.items():
        for step in _WIDTHS:
            width = settings.width * step
            design = best[pilot] if step == 1 else cheapest(variance, costs, width, half_widths)
            rows.append(_row(keys, pilot, width, design, True, has_draws))
        for number in numbers:
            fixed = {compared: number}
            design = cheapest(variance, costs, settings.width, half_widths, **fixed)
            optimum = best[pilot]
            if design is not None and optimum and getattr(optimum, compared) != number:
                rows.append(_row(keys, pilot, settings.width, design, False, has_draws))
    return rows


def _numbers(best: Iterable[int]) -> list[int]:
    """Numbers to compare with the best ones: from one to four times the largest."""
    most = 4 * max(best, default=0)
    spaced = np.geomspace(1, max(most, 8), _POINTS)
    return sorted({round(float(number)) for number in spaced})


def _row(
    keys: Mapping[str, Any],
    pilot: str,
    width: float,
    design: Design | None,
    optimum: bool,
    has_draws: bool,
) -> dict[str, Any]:
    values = dict.fromkeys(Design._fields) if design is None else design._asdict()
    if not has_draws:
        values["draws"] = None
    return {**keys, "pilot": pilot, "width": width, **values, "optimum": optimum}


def summary(settings: Settings, table: pd.DataFrame) -> str:
    """The sample sizes for the wanted width as text, one line per run and pilot.

    Parameters
    ----------
    settings : SampleSizeSettings
        As for `plan`.
    table : pandas.DataFrame
        The artifact.

    Returns
    -------
    str
        Without a newline at the end.
    """
    designs = table[table["width"] == settings.width]
    rows = designs["resampled"].map({True: "sample", False: "all"})
    designs = designs.assign(rows=rows)
    keys = ["family", "dataset", "pilot", "rows"]
    is_one = (designs["responses"] == 1) & (designs["draws"].fillna(1) == 1)
    cost_at_one = designs[is_one].set_index(keys)["cost"]
    best = designs[designs["optimum"]].set_index(keys)
    text = pd.DataFrame(
        {
            "students": best["students"].map(_count),
            "responses": best["responses"].map(_count),
            "draws": best["draws"].map(_count),
            "cost": best["cost"].map(_amount),
            "cost at one": cost_at_one.reindex(best.index).map(_amount),
            "width": (best["width"] * best["unit"]).map(_amount),
        }
    )
    if best["draws"].isna().all():
        del text["draws"]
    text = text.reset_index()
    mean = settings.target == "mean"
    if not mean:
        del text["rows"]
    what = "mean prediction" if mean else "variance between students"
    unit = "standard deviations of the target" if mean else "of the variance"
    costs = [f"per student {settings.cost_student:g}", f"per response {settings.cost_response:g}"]
    if "draws" in text:
        costs.append(f"per draw {settings.cost_draw:g}")
    lines = [
        f"Students and responses per input for a {100 * settings.confidence:g} % interval of the "
        f"{what}, {settings.width:g} {unit} wide, at least cost ({', '.join(costs)}):",
        text.to_string(index=False),
    ]
    lines.append(
        "cost at one: with one response per input or, where answers are sampled, one draw."
    )
    if mean:
        lines.append(
            "pilot: estimate, from its estimates; upper, from upper limits, which suffices for "
            f"{100 * settings.assurance:g} % of pilots. rows: students on all rows, or on a "
            "bootstrap sample of them. width: in units of the target."
        )
    if best["students"].isna().any():
        lines.append(f"none: not with {MOST_STUDENTS} students, or the pilot has no interval.")
    return "\n".join(lines)


def _count(value: float) -> str:
    return "none" if np.isnan(value) else f"{value:.0f}"


def _amount(value: float) -> str:
    return "none" if np.isnan(value) else f"{value:.4g}"
