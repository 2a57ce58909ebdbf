"""Stage ``students`` of tables: distilled models, all replicates of an ensemble trained at once."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from kduq import seeds
from kduq.artifacts import schemas
from kduq.conditions import Condition
from kduq.families import FAMILIES
from kduq.families.protocol import Batch, Trained
from kduq.stage import Inputs, Outputs, progress
from kduq.students.labels import (
    ClassificationTargets,
    DistillationData,
    Ensemble,
    RegressionTargets,
)
from kduq.students.settings import TabularSettings as Settings
from kduq.teacher import tabular as teacher

#: Value of shared_init with which replicates 2i and 2i + 1 share their initial parameters.
PAIRS = "pairs"
#: Divergence factor of classification.
_CLASS_DIVERGENCE = 1.5


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the students of a shard; see `kduq.stage.Stage`."""
    data, noise = read_distillation_data(settings, inputs)
    total = len(settings.replicates) * len(settings.conditions)
    with progress(total, "student") as advance:
        outputs.write("students", train(settings, data, noise, advance))


def read_distillation_data(
    settings: Settings, inputs: Inputs
) -> tuple[DistillationData, np.ndarray]:
    """Read the data from which the students of a shard learn.

    Parameters
    ----------
    settings : Settings
        Settings of the shard.
    inputs : Inputs
        Its examples, teacher and responses.

    Returns
    -------
    data : DistillationData
        Inputs, truth and the teacher's mean.
    noise : ndarray of shape (replicates, responses, n)
        Noise of the responses.
    """
    # Imported before the progress bar starts: importing torch takes seconds.
    FAMILIES[settings.family].model(settings.task)
    columns = teacher.arrays(inputs.read("examples"))
    train = columns["split"] == "train"
    mean = inputs.read("teacher").column(teacher.RESPONSE_COLUMNS[settings.task])[train]
    data = DistillationData(*teacher.problem(settings.task, **columns), mean)
    noise = inputs.read("responses").column("noise")
    return data, noise.reshape(len(settings.replicates), -1, int(train.sum()))


def bootstrap_counts(seed: int, n: int, fraction: float) -> np.ndarray:
    """How often each training row is in a replicate's bootstrap sample.

    Parameters
    ----------
    seed : int
        Seed of the replicate.
    n : int
        Training rows.
    fraction : float
        Size of the sample over n; samples of one replicate are nested in their size.

    Returns
    -------
    ndarray of shape (n,), uint16
        Counts that sum to round(fraction · n), at least 1. With a fraction of at most 10 they do
        not overflow.
    """
    size = max(1, round(fraction * n))
    return np.bincount(_drawn(seed, n, max(n, size))[:size], minlength=n).astype(np.uint16)


# Drawing a sample takes longer than fitting it, and the conditions of an ensemble share samples.
@functools.lru_cache(maxsize=128)
def _drawn(seed: int, n: int, size: int) -> np.ndarray:
    rows = seeds.generator(seed, "bootstrap").integers(0, n, size=size)
    rows.flags.writeable = False
    return rows


def _ensembles(
    settings: Settings, width: int, noise: np.ndarray, shared: int | str | None
) -> Iterator[Ensemble]:
    """Divide a shard into ensembles that start at multiples of their width.

    A replicate then has the same position in an ensemble of the same shape whatever its shard, and
    its bits do not depend on the shards. Initial parameters are shared by none, by all, with a seed
    of their own, or by pairs.
    """
    start, stop = settings.start, settings.stop
    for first in range(start // width * width, stop, width):
        replicates = np.arange(first, first + width)
        present = (replicates >= start) & (replicates < stop)
        if present.all():
            filled = noise[first - start : first - start + width]  # many rows fit in memory once
        else:
            filled = np.zeros((width, *noise.shape[1:]), np.float32)
            filled[present] = noise[replicates[present] - start]
        seed = [seeds.replicate_seed(settings.seed, settings.path, int(r)) for r in replicates]
        own = np.array(seed, dtype=np.int64)
        initial = None
        if shared == PAIRS:
            initial = np.repeat(own[::2], 2)  # an ensemble starts with the first of a pair
        elif shared is not None:
            initial = np.full(width, shared)
        yield Ensemble(present, replicates, own, filled, initial)


def train(
    settings: Settings,
    data: DistillationData,
    noise: np.ndarray,
    advance: Callable[[int], object],
) -> dict[str, Any]:
    """Train the students of one shard.

    Parameters
    ----------
    settings : Settings
        Settings of the shard. A student has diverged if a prediction is not finite or its training
        error exceeds divergence_factor times the variance of the training targets. In
        classification, whose error is bounded, the limit is one and a half times the error of
        predicting the frequencies of the classes; random one-hot predictions have twice that error.
    data : DistillationData
        Inputs, truth and the teacher's mean.
    noise : ndarray of shape (replicates, responses, n)
        Noise of the shard's responses.
    advance : callable
        Called with the number of students after every ensemble and condition.

    Returns
    -------
    dict of str to array
        The columns of the artifact, one row per student, by condition, then by replicate. Errors
        are means over rows of the squared distance to the truth; in classification, of the
        probabilities to the one-hot truth (Brier 1950). Predictions are ordered by test row and, in
        classification, fastest by class.
    """
    shared = getattr(settings.model, "shared_init", False) or None
    if shared is True:
        # One draw for the whole run, apart from every replicate's own.
        path = (*settings.path, "shared_init")
        shared = seeds.replicate_seed(settings.seed, path, 0)
    model = FAMILIES[settings.family].model(settings.task)(data.problem, settings.model)
    truth = data.problem.train_y
    regression = settings.task == "regression"
    targets = RegressionTargets if regression else ClassificationTargets
    limit = _row_error(np.broadcast_to(truth.mean(axis=0), truth.shape), truth)
    limit *= settings.divergence_factor if regression else _CLASS_DIVERGENCE
    conditions = settings.conditions
    parts: list[list[dict[str, Any]]] = [[] for _ in conditions]
    for ensemble in _ensembles(settings, model.ensemble, noise, shared):
        labels: dict[float | None, RegressionTargets | ClassificationTargets] = {}
        # Methods that agree at k = 1 share one training.
        trained: dict[Condition, dict[str, Any]] = {}
        for index, condition in _by_responses(conditions):
            key = condition
            if condition.k == 1:
                key = condition.model_copy(update={"method": "single", "teacher_weight": None})
            if key not in trained:
                alpha = condition.alpha
                if alpha not in labels:
                    labels = {alpha: targets(model, data, ensemble, alpha)}
                batch = _batch(condition, labels[alpha], data, ensemble)
                trained[key] = rows_of(model.fit(batch), data, ensemble, limit)
            parts[index].append(trained[key])
            advance(int(ensemble.present.sum()))
    return stack(conditions, parts)


def _by_responses(conditions: Sequence[Condition]) -> list[tuple[int, Condition]]:
    """Conditions with their numbers: those of one alpha together, by their number of responses.

    Sums over responses and pilots then start once per alpha, whatever the order of the conditions.
    """
    first = {condition.alpha: i for i, condition in reversed(list(enumerate(conditions)))}
    return sorted(
        enumerate(conditions), key=lambda item: (first[item[1].alpha], item[1].k or 1, item[0])
    )


def _row_error(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Squared distance of (n[, C]) to (n[, C]), summed over classes, averaged over rows."""
    return float(((prediction - truth) ** 2).ravel().sum() / len(truth))


def _batch(
    condition: Condition,
    labels: RegressionTargets | ClassificationTargets,
    data: DistillationData,
    ensemble: Ensemble,
) -> Batch:
    n = len(data.problem.train_y)
    counts = None
    if condition.sample_fraction is not None:
        counts = np.stack(
            [bootstrap_counts(int(seed), n, condition.sample_fraction) for seed in ensemble.seeds]
        )
    return Batch(
        labels.make(condition),
        ensemble.seeds,
        counts,
        condition.init_noise,
        initial_seeds=ensemble.initial_seeds,
        label_variance=labels.variance(condition),
    )


def rows_of(
    trained: Trained, data: DistillationData, ensemble: Ensemble, limit: float
) -> dict[str, Any]:
    """Columns of the replicates of an ensemble that belong to the shard, for one condition.

    Parameters
    ----------
    trained : Trained
        The trained ensemble.
    data : DistillationData
        Truth of both splits.
    ensemble : Ensemble
        Whether a replicate belongs to the shard.
    limit : float
        Training error above which a student has diverged.

    Returns
    -------
    dict
        Columns, and size, the number of rows.
    """
    present = ensemble.present
    (members,) = present.nonzero()
    size = len(members)
    # Student by student, since a copy of all predictions may not fit into memory.
    train, test = trained.train_prediction, trained.test_prediction
    variance = trained.predictive_variance
    with np.errstate(over="ignore", invalid="ignore"):
        train_mse = np.array([_row_error(train[i], data.problem.train_y) for i in members])
        test_mse = np.array([_row_error(test[i], data.test_y) for i in members])
    finite = np.array([np.isfinite(train[i]).all() and np.isfinite(test[i]).all() for i in members])
    if variance is not None:
        finite &= np.isfinite(variance[present]).all(axis=1)
    # A partner outside the shard was not trained on its own responses.
    paired = (present & present[np.arange(len(present)) ^ 1])[present]

    def optional(values: np.ndarray | None, pairs: bool = False) -> np.ndarray | None:
        if values is None:
            return None
        return np.where(paired, values[present], np.nan) if pairs else values[present]

    return {
        "replicate": ensemble.replicates[present].astype(np.int32),
        "seed": ensemble.seeds[present],
        "diverged": ~finite | (train_mse > limit),
        "rank_deficient": optional(trained.rank_deficient),
        "train_mse": train_mse,
        "test_mse": test_mse,
        "parameter_distance_before": optional(trained.distance_before, pairs=True),
        "parameter_distance_after": optional(trained.distance_after, pairs=True),
        "trajectory": optional(trained.trajectory),
        "prediction": test[present].reshape(size, -1).astype(np.float32),
        "predictive_variance": optional(variance),
        "size": size,
    }


def stack(
    conditions: Sequence[Condition], parts: Sequence[Sequence[dict[str, Any]]]
) -> dict[str, Any]:
    """Stack ensembles into one table.

    Parameters
    ----------
    conditions : sequence of Condition
        Conditions of the run.
    parts : sequence of sequence of dict
        Results of `rows_of`: for each condition, its ensembles.

    Returns
    -------
    dict of str to array or list
        The columns of the artifact; a column that the ensembles lack is null.
    """
    ordered = [(c, rows) for c, part in zip(conditions, parts, strict=True) for rows in part]
    total = sum(rows["size"] for _, rows in ordered)
    table: dict[str, Any] = {
        name: [getattr(condition, name) for condition, rows in ordered for _ in range(rows["size"])]
        for name in schemas.CONDITION
    }
    table["split_number"] = [None] * total  # there is one split, unless a design has several
    for name in ordered[0][1]:
        if name == "size":
            continue
        values = [rows[name] for _, rows in ordered]
        if any(v is None for v in values):
            table[name] = [None] * total
        elif name == "trajectory":
            table[name] = [row for v in values for row in v]
        else:
            table[name] = np.concatenate(values)
    return table
