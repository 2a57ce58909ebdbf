"""Students and responses that give an interval of a wanted width at least cost.

The components of variance of a pilot (experiment decomposition) say how much of the variance
between students is removed by averaging k responses per input, and by averaging J draws of a
student's answers:

    V(k, J) = noise / k + decoding / J + rest.

- **noise**: the total effect of the noise of the teacher's answers: its main effect and all
  interactions, including the residual. For least squares, whose predictions are linear in the
  labels, 1/k is exact. For networks it is of first order in the variance of the noise: in the
  default study (α = 0.5) V is within 8 % of the variance measured at α = 0.5/k for k = 2, 4, 8. If
  the residual were part of the rest, V would be two to three times too large at k = 8.
- **decoding**: the total effect of the draw of a student's answer. Where answers are sampled, as by
  language models, k of them are not combined into one label: noise is part of the rest, and k is 1.
- **rest**: it falls with the number of students alone.

The mean prediction of S independent students, each with its own responses, has variance V/S. Its
interval has the width 2 t √(V/S), with Student's t of S - 1 degrees of freedom. Minimising
S · (student + k · responses to all inputs + J · draw) under 2 t √(V/S) ≤ width is the allocation
problem of subsampling (Marcuse 1949, Biometrics 5, 189-206; Cochran 1977, Sampling Techniques,
section 10.6): for many students k* = √(noise/rest · cost of a student/cost of responses), whatever
the width. Here all S are tried, with the t of their degrees of freedom, and k and J are integers.

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
    """Variance between students of one response, by what reduces it; in squared units."""

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


def parts(components: Mapping[str, tuple[float, float]], upper: bool, unit: float) -> Parts:
    """Divide the variance of a pilot by what reduces it.

    Parameters
    ----------
    components : mapping of str to (float, float)
        Estimate and upper limit of total_effect_decoding and without_decoding or, without a factor
        decoding, of total_effect_noise and without_noise, in squared units of the target; see
        `kduq.statistics.components.decompose`.
    upper : bool
        Whether to take upper limits, so that the result also holds if the pilot's estimates are
        low.
    unit : float
        Unit of widths, in units of the target.

    Returns
    -------
    Parts
        In squares of that unit. Negative parts are set to zero; a part is NaN if it has no
        interval.
    """
    factor = _reduced(components)
    reducible, rest = (
        float(np.maximum(components[f"{kind}_{factor}"][upper], 0.0)) / unit**2
        for kind in ("total_effect", "without")
    )
    return Parts(0.0, reducible, rest) if factor == "decoding" else Parts(reducible, 0.0, rest)


def _reduced(components: Container[str]) -> str:
    """The factor whose variance more draws reduce."""
    return "decoding" if "total_effect_decoding" in components else "noise"


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
        The columns of the artifact. For every run and pilot (estimate: its estimates; upper: the
        upper limits of their intervals; theory: no pilot is needed) there is the design of least
        cost for the wanted width and for other widths (optimum), and for the wanted width the
        designs with other numbers of responses or, where answers are sampled, of draws. students,
        responses, draws and cost are null where there is no design; draws is also null where
        students' answers are not sampled.
    """
    half_widths = squared_half_widths(settings.target, settings.confidence)
    whole = (estimates["role"] == "student") & (estimates["group"] == "all")
    measured = estimates[whole & estimates["metric"].str.startswith(_COMPONENT)]
    rows: list[dict[str, Any]] = []
    for (family, dataset), cells in measured.groupby(["family", "dataset"], sort=False):
        inputs, unit = examples[str(dataset)]
        names = cells["metric"].str.removeprefix(_COMPONENT)
        limits = zip(cells["estimate"], cells["ci_high"], strict=True)
        components = dict(zip(names, limits, strict=True))
        has_draws = _reduced(components) == "decoding"
        response = inputs * settings.cost_response
        costs = Costs(settings.cost_student, response, settings.cost_draw if has_draws else 0.0)
        if settings.target == "mean":
            pilots = {"estimate": parts(components, False, unit)}
            pilots["upper"] = parts(components, True, unit)
        else:
            unit, pilots = 1.0, {_ONE_VARIANCE: Parts(0.0, 0.0, 1.0)}
        alpha = cells["alpha"].max()
        keys = {"family": family, "dataset": dataset, "unit": unit}
        keys["alpha"] = None if np.isnan(alpha) else float(alpha)
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
    return {name: [row[name] for row in rows] for name in rows[0]}


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
    keys = ["family", "dataset", "pilot"]
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
    mean = settings.target == "mean"
    what = "mean prediction" if mean else "variance between students"
    unit = "standard deviations of the target" if mean else "of the variance"
    costs = [f"per student {settings.cost_student:g}", f"per response {settings.cost_response:g}"]
    if "draws" in text:
        costs.append(f"per draw {settings.cost_draw:g}")
    lines = [
        f"Students and responses per input for a {100 * settings.confidence:g} % interval of the "
        f"{what}, {settings.width:g} {unit} wide, at least cost ({', '.join(costs)}):",
        text.reset_index().to_string(index=False),
    ]
    lines.append(
        "cost at one: with one response per input or, where answers are sampled, one draw."
    )
    if mean:
        lines.append(
            "pilot: estimate, from its estimates; upper, from the upper limits of their intervals, "
            "which also holds if the estimates are low. width: in units of the target."
        )
    if best["students"].isna().any():
        lines.append(f"none: not with {MOST_STUDENTS} students, or the pilot has no interval.")
    return "\n".join(lines)


def _count(value: float) -> str:
    return "none" if np.isnan(value) else f"{value:.0f}"


def _amount(value: float) -> str:
    return "none" if np.isnan(value) else f"{value:.4g}"
