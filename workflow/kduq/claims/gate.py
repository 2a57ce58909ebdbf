"""Quality gate: verdicts need a teacher that has learned, and students that have converged.

Students of a teacher that never learned its answers, and students that were trained for too few
steps, say nothing about distillation.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from kduq.artifacts.schemas import CONDITION
from kduq.claims.settings import Gate

_GROUPS = ("all", "train", "test")
#: Share of a loss curve's points over which a mean is taken.
_STRETCH = 0.1
#: Metric of the answers that a teacher should not give, and what they are outside of.
_OF_TRUTH = ("hallucination_rate", "the support")

#: Estimates by metric and group.
Values = dict[tuple[str, str], float]


def teacher_gate(rows: pd.DataFrame, settings: Gate) -> list[str]:
    """Reasons why a teacher does not pass.

    On a corpus with an answer distribution (one with an estimate of ``true_entropy``), a teacher is
    compared with what it was taught, among all, training and test prompts: too many answers outside
    it, or an entropy too far from it. If it was taught errors (there is an estimate of
    ``taught_entropy``), its greedy answers must also be right about as often as the most probable
    answers that it was taught, which are all right if errors are spread. On any other corpus:
    greedy answers that are not similar enough to the references of training prompts.

    A pretrained teacher that is used as it is (zero ``training_steps``) need not be good, on
    whatever corpus. It is asked whether its errors are partly random, so that there is something
    for averaging to remove: its greedy answers must be right more often than its sampled ones.

    Parameters
    ----------
    rows : pandas.DataFrame
        The estimates of one run; those of the role teacher are used.
    settings : Gate
        Its keys hallucination (largest share outside), entropy (largest relative distance), greedy
        (least accuracy, relative to what is taught), similarity (least cosine) and random_errors
        (least excess of greedy over sampled accuracy) are used.

    Returns
    -------
    list of str
        Reasons, one sentence each; none if the teacher passes. A number that is missing or null
        does not pass.
    """
    own = rows[rows["role"] == "teacher"]
    keys = zip(own["metric"], own["group"], strict=True)
    values: Values = dict(zip(keys, map(float, own["estimate"]), strict=True))
    metrics = {metric for metric, _ in values}
    if values.get(("training_steps", "all")) == 0:
        return _errs_at_random(values, settings)
    if "true_entropy" not in metrics:
        return _resembles(values, settings)
    taught = "taught_entropy" in metrics
    reasons: list[str] = []
    for group in [group for group in _GROUPS if any(name == group for _, name in values)]:
        reasons += _learnt(values, settings, group, taught)
    return reasons


def _errs_at_random(values: Values, settings: Gate) -> list[str]:
    greedy = values.get(("greedy_accuracy", "all"), np.nan)
    sampled = 1 - values.get(("hallucination_rate", "all"), np.nan)
    # Rounded, so that an excess of exactly the limit passes.
    if round(greedy - sampled, 9) >= settings.random_errors:
        return []
    return [
        f"The teacher is used as it is. Of its greedy answers a share of {greedy:.3g} is right and "
        f"of its sampled ones {sampled:.3g}; the difference is below the limit of "
        f"{settings.random_errors:g}, so its errors are not random enough for a remedy to remove."
    ]


def _resembles(values: Values, settings: Gate) -> list[str]:
    group = "train" if any(name == "train" for _, name in values) else "all"
    similarity = values.get(("greedy_similarity_to_reference", group), np.nan)
    if similarity >= settings.similarity:
        return []
    return [
        f"The teacher's greedy answers to {_prompts(group)} have a similarity of "
        f"{similarity:.3g} to the references, below the limit of {settings.similarity:g}."
    ]


def _learnt(values: Values, settings: Gate, group: str, taught: bool) -> Iterator[str]:
    """What a teacher has not learnt of a known distribution."""
    metric, where = ("mass_outside_taught", "what it was taught") if taught else _OF_TRUTH
    rate = values.get((metric, group), np.nan)
    if not rate <= settings.hallucination:
        yield (
            f"Of the teacher's answers to {_prompts(group)}, a share of {rate:.3g} is outside "
            f"{where}, above the limit of {settings.hallucination:g}."
        )
    entropy = values.get(("predictive_entropy", group), np.nan)
    target = values.get(("taught_entropy" if taught else "true_entropy", group), np.nan)
    whose = "that of what it was taught" if taught else "the truth's"
    # Multiplied out: if the taught entropy is zero, the teacher's must be zero.
    if not abs(entropy - target) <= settings.entropy * target:
        yield (
            f"The teacher's entropy on {_prompts(group)} is {entropy:.3g} nats and "
            f"{whose} {target:.3g}, further off than the limit of {100 * settings.entropy:.3g} %."
        )
    if taught:
        accuracy = values.get(("greedy_accuracy", group), np.nan)
        possible = values.get(("taught_greedy_accuracy", group), np.nan)
        if not accuracy >= settings.greedy * possible:
            yield (
                f"Of the teacher's greedy answers to {_prompts(group)}, a share of {accuracy:.3g} "
                f"is right, and of the most probable answers that it was taught {possible:.3g}; "
                f"the ratio is below the limit of {settings.greedy:g}."
            )


def _prompts(group: str) -> str:
    return {"all": "all prompts", "train": "training prompts", "test": "test prompts"}[group]


def student_gate(losses: pd.DataFrame, settings: Gate) -> list[str]:
    """Reasons why the students of a run do not pass.

    A student has converged if the mean loss over the last tenth of its recorded points differs
    from that over the tenth before by less than the limit. A student whose loss is not finite, or
    has fewer than two points, has not converged.

    Parameters
    ----------
    losses : pandas.DataFrame
        Loss curves of one run: step, loss (nats per token) and the columns that identify a student:
        replicate and any condition columns.
    settings : Gate
        Its keys convergence (the limit, in nats per token) and converged (the least share of
        students) are used.

    Returns
    -------
    list of str
        One sentence if too few of the students have converged, or there are none.
    """
    keys = [name for name in (*CONDITION, "replicate") if name in losses]
    changes = np.array(
        [
            _change(curve.sort_values("step")["loss"].to_numpy(np.float64))
            for _, curve in losses.groupby(keys, dropna=False)
        ]
    )
    if not len(changes):
        return ["No student's loss was recorded."]
    # NaN is not below the limit.
    converged = int((changes < settings.convergence).sum())
    if converged / len(changes) >= settings.converged:
        return []
    return [
        f"Of {len(changes)} students {converged} have converged, fewer than the limit of "
        f"{100 * settings.converged:g} %; the others' loss changed by "
        f"{settings.convergence:g} nats per token or more from one tenth of their training to the "
        "last."
    ]


def _change(loss: np.ndarray) -> float:
    """Distance of the mean of the last tenth of a curve from that of the tenth before."""
    points = max(1, round(_STRETCH * len(loss)))
    if len(loss) < 2 * points or not np.isfinite(loss[-2 * points :]).all():
        return np.nan
    return float(abs(loss[-points:].mean() - loss[-2 * points : -points].mean()))
