"""Whether a language-model study is worth a verdict: its teacher has learned, its students too.

What students lose of a teacher that never learned its answers, or would have learned with more
steps, says nothing of distillation.
"""

import numpy as np
import pandas as pd

from kduq.artifacts.schemas import CONDITION
from kduq.claims.settings import Gate

_GROUPS = ("all", "train", "test")
#: Share of a loss curve's points that makes a stretch of it.
_STRETCH = 0.1


def teacher_gate(rows: pd.DataFrame, settings: Gate) -> list[str]:
    """What speaks against a teacher.

    On a corpus that knows its distribution (one with an estimate of ``true_entropy``): too many
    hallucinations, or an entropy too far from the truth's, among all, training or test prompts.
    On another: greedy answers too unlike the references of training prompts.

    Parameters
    ----------
    rows : pandas.DataFrame
        The estimates of one run; those of the role teacher count.
    settings : Gate
        hallucination (largest rate), entropy (largest relative distance of the teacher's entropy
        from the truth's) and similarity (least cosine).

    Returns
    -------
    list of str
        Reasons, one sentence each; none if the teacher passes. A number that is missing or null
        passes no limit.
    """
    own = rows[rows["role"] == "teacher"]
    keys = zip(own["metric"], own["group"], strict=True)
    values: dict[tuple[str, str], float] = dict(zip(keys, map(float, own["estimate"]), strict=True))
    if not any(metric == "true_entropy" for metric, _ in values):
        group = "train" if any(name == "train" for _, name in values) else "all"
        similarity = values.get(("greedy_similarity_to_reference", group), np.nan)
        if similarity >= settings.similarity:
            return []
        return [
            f"The teacher's greedy answers to {_prompts(group)} have a similarity of "
            f"{similarity:.3g} to the references, below the limit of {settings.similarity:g}."
        ]
    reasons = []
    for group in [group for group in _GROUPS if any(name == group for _, name in values)]:
        rate = values.get(("hallucination_rate", group), np.nan)
        if not rate <= settings.hallucination:
            reasons.append(
                f"Of the teacher's answers to {_prompts(group)}, a share of {rate:.3g} is outside "
                f"the support, above the limit of {settings.hallucination:g}."
            )
        entropy = values.get(("predictive_entropy", group), np.nan)
        truth = values.get(("true_entropy", group), np.nan)
        # Multiplied out, so that a truth without entropy asks for none and divides nothing.
        if not abs(entropy - truth) <= settings.entropy * truth:
            reasons.append(
                f"The teacher's entropy on {_prompts(group)} is {entropy:.3g} nats and the truth's "
                f"{truth:.3g}, further off than the limit of {100 * settings.entropy:.3g} %."
            )
    return reasons


def _prompts(group: str) -> str:
    return {"all": "all prompts", "train": "training prompts", "test": "test prompts"}[group]


def student_gate(losses: pd.DataFrame, settings: Gate) -> list[str]:
    """What speaks against the students' training.

    A student has converged if the mean loss over the last tenth of its recorded points differs
    from that over the tenth before by less than the limit. One whose loss is not finite, or has
    fewer than two points, has not.

    Parameters
    ----------
    losses : pandas.DataFrame
        Loss curves of one run: step, loss (nats per token) and what tells students apart, replicate
        and whichever condition columns there are.
    settings : Gate
        convergence: the limit, in nats per token; converged: the least share of students.

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
    # A change that is not a number is not below the limit.
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
