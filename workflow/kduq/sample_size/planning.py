"""Students and responses that give an interval of a wanted width at least cost.

A pilot's components of variance (experiment decomposition) say how much of the variance between
students averaging k responses per input, and answers of one student averaged over J draws, remove:

    V(k, J) = noise / k + decoding / J + rest.

- **noise**: the total effect of the noise of the teacher's answers: its own and all interactions,
  the residual included. For least squares, whose predictions are linear in the labels, 1/k is
  exact. For networks it is of first order in the variance of the noise: in the default study
  (α = 0.5) V is within 8 % of what is measured with α = 0.5/k, k = 2, 4, 8. With the residual in
  the rest it would be two to three times too large at k = 8.
- **decoding**: the total effect of the draw of a student's answer. Where answers are drawn, as of
  language models, k of them do not become one label: noise is part of the rest, and k is 1.
- **rest**: only more students help.

The mean prediction of S independent students, each with responses of its own, has variance V/S, and
its interval is 2 t √(V/S) wide, with Student's t of S - 1 degrees of freedom. Minimising
S · (student + k · responses to all inputs + J · draw) under 2 t √(V/S) ≤ width is the allocation of
subsampling (Marcuse 1949, Biometrics 5, 189-206; Cochran 1977, Sampling Techniques, section 10.6):
for many students k* = √(noise/rest · cost of a student/cost of responses), whatever the width. Here
S is searched through, with the t of its degrees of freedom, and k and J are whole numbers.

The interval of the variance between students has, where all inputs move together and predictions
are normal, a relative standard error of √(2/(S - 1)); it is less where the error is spread over
several directions. It needs no pilot, and further responses do not narrow it.
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

#: Where the search ends; what needs more is not planned.
MOST_STUDENTS = 100_000
MOST_RESPONSES = 1_000_000
MOST_DRAWS = 100
#: Widths of the curve over the one that is wanted.
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
    """Number of training inputs, and what widths are given in; see `SampleSize`."""
    examples = artifacts.read(path, "examples")
    train = examples.column("split") == "train"
    unit = 1.0
    if "y" in examples.table.column_names:
        unit = float(examples.column("y")[train].std())
    return int(train.sum()), unit


class Parts(NamedTuple):
    """Variance between students of one response, by what makes it less; in squared units."""

    noise: float
    decoding: float
    rest: float


class Costs(NamedTuple):
    """Cost of a student, of one response to every input, and of one draw of answers."""

    student: float
    response: float
    draw: float


class Design(NamedTuple):
    """Students, responses per input and draws of answers, with what all of them cost."""

    students: int
    responses: int
    draws: int
    cost: float


def parts(components: Mapping[str, tuple[float, float]], upper: bool, unit: float) -> Parts:
    """Part the variance of a pilot by what makes it less.

    Parameters
    ----------
    components : mapping of str to (float, float)
        Estimate and upper limit of total_effect_decoding and without_decoding or, where there is
        none, of total_effect_noise and without_noise, in squared units of the target; see
        `kduq.statistics.components.decompose`.
    upper : bool
        Whether to take upper limits, so that the plan also holds if the pilot came out low.
    unit : float
        What widths are given in, in units of the target.

    Returns
    -------
    Parts
        In squares of that unit. A part below zero is zero; NaN where one has no interval.
    """
    factor = _reduced(components)
    less, rest = (
        float(np.maximum(components[f"{kind}_{factor}"][upper], 0.0)) / unit**2
        for kind in ("total_effect", "without")
    )
    return Parts(0.0, less, rest) if factor == "decoding" else Parts(less, 0.0, rest)


def _reduced(components: Container[str]) -> str:
    """The factor of which more draws make less."""
    return "decoding" if "total_effect_decoding" in components else "noise"


@lru_cache(maxsize=4)
def squared_half_widths(target: str, confidence: float) -> np.ndarray:
    """Squared half width of the interval from 2, 3, … students whose variance is one.

    Parameters
    ----------
    target : str
        mean, or variance: then relative to it.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    ndarray of shape (MOST_STUDENTS - 1,)
        Falls with the number of students.
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
    """The design of least cost whose interval is on average no wider than wanted.

    Parameters
    ----------
    variance : Parts
        Variance between students, in squares of the width's unit.
    costs : Costs
        In any one currency.
    width : float
        Full width of the interval: its root mean square over inputs and repetitions.
    half_widths : ndarray of shape (N,)
        From `squared_half_widths`.
    responses : int, optional
        The only number of responses to look at; None for the best.
    draws : int, optional
        The only number of draws to look at; None for the best.

    Returns
    -------
    Design or None
        None if the search ends without one.
    """
    if not np.isfinite(variance).all():
        return None
    students = np.arange(2, len(half_widths) + 2)
    best: Design | None = None
    most = MOST_DRAWS if variance.decoding > 0 else 1
    for number in range(1, 1 + most) if draws is None else (draws,):
        room = (width / 2) ** 2 / half_widths - variance.rest - variance.decoding / number
        needed = np.full(len(room), np.inf)
        # The cut keeps rounding from asking for one response more.
        np.divide(variance.noise * (1 - 1e-12), room, out=needed, where=room > 0)
        needed = np.maximum(np.ceil(needed), 1)
        needed[needed > MOST_RESPONSES] = np.inf
        if responses is not None:
            needed = np.where(needed <= responses, responses, np.inf)
        cost = students * (costs.student + needed * costs.response + number * costs.draw)
        place = int(cost.argmin())
        if np.isfinite(cost[place]) and (best is None or cost[place] < best.cost):
            found = int(students[place]), int(needed[place])
            best = Design(*found, number, float(cost[place]))
    return best


def plan(
    settings: Settings, estimates: pd.DataFrame, examples: Mapping[str, tuple[int, float]]
) -> dict[str, list[Any]]:
    """Plan for every run of the pilot.

    Parameters
    ----------
    settings : SampleSizeSettings
        The interval, and what students and responses cost.
    estimates : pandas.DataFrame
        Estimates of the pilot's runs.
    examples : mapping of str to (int, float)
        By data set: number of training inputs; what widths are given in, in units of the target.

    Returns
    -------
    dict of str to list
        The columns of the artifact. For every run and pilot (estimate: at its estimates; upper: at
        the upper limits of their intervals; theory: none is needed) the design of least cost for
        the wanted width and for others around it (optimum), and for the wanted width the design of
        other numbers of responses or, where answers are drawn, of draws; students, responses, draws
        and cost are null where there is none, and draws where students' answers are not drawn.
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
        drawn = _reduced(components) == "decoding"
        response = inputs * settings.cost_response
        costs = Costs(settings.cost_student, response, settings.cost_draw if drawn else 0.0)
        if settings.target == "mean":
            pilots = {"estimate": parts(components, False, unit)}
            pilots["upper"] = parts(components, True, unit)
        else:
            unit, pilots = 1.0, {_ONE_VARIANCE: Parts(0.0, 0.0, 1.0)}
        alpha = cells["alpha"].max()
        keys = {"family": family, "dataset": dataset, "unit": unit}
        keys["alpha"] = None if np.isnan(alpha) else float(alpha)
        best = {p: cheapest(v, costs, settings.width, half_widths) for p, v in pilots.items()}
        compared = "draws" if drawn else "responses"
        numbers = _numbers(getattr(design, compared) for design in best.values() if design)
        for pilot, variance in pilots.items():
            for step in _WIDTHS:
                width = settings.width * step
                found = best[pilot] if step == 1 else cheapest(variance, costs, width, half_widths)
                rows.append(_row(keys, pilot, width, found, True, drawn))
            for number in numbers:
                only = {compared: number}
                found = cheapest(variance, costs, settings.width, half_widths, **only)
                chosen = best[pilot]
                if found is not None and chosen and getattr(chosen, compared) != number:
                    rows.append(_row(keys, pilot, settings.width, found, False, drawn))
    return {name: [row[name] for row in rows] for name in rows[0]}


def _numbers(best: Iterable[int]) -> list[int]:
    """Numbers to compare with the best: from one to well beyond it."""
    most = 4 * max(best, default=0)
    spaced = np.geomspace(1, max(most, 8), _POINTS)
    return sorted({round(float(number)) for number in spaced})


def _row(
    keys: Mapping[str, Any],
    pilot: str,
    width: float,
    design: Design | None,
    optimum: bool,
    drawn: bool,
) -> dict[str, Any]:
    found = dict.fromkeys(Design._fields) if design is None else design._asdict()
    if not drawn:
        found["draws"] = None
    return {**keys, "pilot": pilot, "width": width, **found, "optimum": optimum}


def summary(settings: Settings, table: pd.DataFrame) -> str:
    """The plan for the wanted width as text, a line per run and pilot.

    Parameters
    ----------
    settings : SampleSizeSettings
        As for `plan`.
    table : pandas.DataFrame
        The artifact.

    Returns
    -------
    str
        Ends without a newline.
    """
    wanted = table[table["width"] == settings.width]
    keys = ["family", "dataset", "pilot"]
    alone = (wanted["responses"] == 1) & (wanted["draws"].fillna(1) == 1)
    one = wanted[alone].set_index(keys)["cost"]
    shown = wanted[wanted["optimum"]].set_index(keys)
    text = pd.DataFrame(
        {
            "students": shown["students"].map(_count),
            "responses": shown["responses"].map(_count),
            "draws": shown["draws"].map(_count),
            "cost": shown["cost"].map(_amount),
            "cost at one": one.reindex(shown.index).map(_amount),
            "width": (shown["width"] * shown["unit"]).map(_amount),
        }
    )
    if shown["draws"].isna().all():
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
    lines.append("cost at one: of one response per input or, where answers are drawn, one draw.")
    if mean:
        lines.append(
            "pilot: estimate, at its estimates; upper, at the upper limits of their intervals, "
            "for a plan that also holds if the pilot came out low. width: in units of the target."
        )
    if shown["students"].isna().any():
        lines.append(f"none: not with {MOST_STUDENTS} students, or the pilot has no interval.")
    return "\n".join(lines)


def _count(value: float) -> str:
    return "none" if np.isnan(value) else f"{value:.0f}"


def _amount(value: float) -> str:
    return "none" if np.isnan(value) else f"{value:.4g}"
