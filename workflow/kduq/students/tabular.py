"""Stage ``students``: distilled models, all replicates of a chunk trained at once."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from kduq import families, seeds

#: A condition: what an experiment varies between students. Keys are the condition columns.
Condition = dict[str, Any]


#: Divergence factor of classification.
_CLASS_DIVERGENCE = 1.5


@dataclass(frozen=True)
class Teaching:
    """What the students of a run learn from.

    Attributes
    ----------
    problem : Problem
        Inputs and truth.
    test_y : ndarray of shape (m, ...)
        True targets of the test rows.
    teacher_mean : ndarray of shape (n, ...)
        The teacher's mean prediction, or its class probabilities, on the training rows.
    """

    problem: families.Problem
    test_y: np.ndarray
    teacher_mean: np.ndarray


@dataclass(frozen=True)
class _Chunk:
    """The replicates of one aligned chunk; those outside the block are computed and dropped."""

    present: np.ndarray
    replicates: np.ndarray
    seeds: np.ndarray
    noise: np.ndarray


class _Labels:
    """Labels of one chunk at one alpha: what each method makes of the first k responses.

    Parameters
    ----------
    model : Family
        Trains the pilot students.
    teaching : Teaching
        What is learnt from.
    chunk : _Chunk
        Replicates and noise.
    alpha : float, optional
        Noise variance over Var(y_train); None for a teacher that answers its mean.
    """

    def __init__(
        self, model: families.Family, teaching: Teaching, chunk: _Chunk, alpha: float | None
    ) -> None:
        self._model, self._teaching, self._chunk = model, teaching, chunk
        self._variance = (alpha or 0.0) * float(teaching.problem.train_y.var())
        deviation = np.sqrt(self._variance)
        self._responses = teaching.teacher_mean + deviation * chunk.noise.astype(np.float64)
        self._pilots: list[np.ndarray] = []

    def _pilot_predictions(self, k: int) -> np.ndarray:
        """Predictions on training rows of the first k pilots, shape (B, k, n).

        Pilots are nested: pilot j is trained on response j alone, whatever k asks for it.
        """
        while len(self._pilots) < k:
            j = len(self._pilots)
            batch = families.Batch(self._responses[:, j], self._chunk.seeds, pilot=j)
            self._pilots.append(self._model.train(batch).train_prediction)
        return np.stack(self._pilots[:k], axis=1)

    def make(self, condition: Condition) -> np.ndarray:
        """Labels of shape (B, n).

        Averaging takes the mean of the k responses. Variance weighting mixes that mean T, of
        variance s²/k, with the mean S of the k pilot students' predictions, whose variance is
        that across pilots over k, pooled over training rows: (T/v_T + S/v_S)/(1/v_T + 1/v_S).
        The oracle replaces S by the noiseless teacher. At k = 1 there is no variance to be had
        and every method is single (PROTOCOL, corrections 1 and 2).
        """
        method, k = condition["method"], condition["k"] or 1
        if condition["label_source"] == "truth":
            truth = self._teaching.problem.train_y
            return np.broadcast_to(truth, (len(self._chunk.seeds), *truth.shape))
        if method in (None, "single") or k == 1:
            return self._responses[:, 0]
        average = self._responses[:, :k].mean(axis=1)
        if method == "averaging":
            return average
        pilots = self._pilot_predictions(k)
        teacher_variance = self._variance / k
        student_variance = pilots.var(axis=1, ddof=1).mean(axis=1, keepdims=True) / k
        weight = student_variance / (teacher_variance + student_variance)
        oracle = method == "variance_weighting_oracle"
        own = self._teaching.teacher_mean if oracle else pilots.mean(axis=1)
        return weight * average + (1 - weight) * own


class _ClassLabels:
    """Labels of one chunk in classification: what each source makes of the teacher's classes.

    Parameters
    ----------
    model : Family
        The students' family.
    teaching : Teaching
        What is learnt from.
    chunk : _Chunk
        Replicates and noise.
    alpha : float, optional
        None: the teacher's own distribution is the noise.
    """

    def __init__(
        self, model: families.Family, teaching: Teaching, chunk: _Chunk, alpha: float | None
    ) -> None:
        del model, alpha
        self._probabilities = teaching.teacher_mean
        self._responses = sampled_classes(teaching.teacher_mean, chunk.noise)

    def make(self, condition: Condition) -> np.ndarray:
        """Labels of shape (B, n, C), rows of probabilities.

        hard: the teacher's most probable class; sampled: one class drawn from its probabilities;
        averaged: the mean of k such draws, one-hot; soft: the probabilities.
        """
        source, k = condition["label_source"], condition["k"] or 1
        size, shape = len(self._responses), self._probabilities.shape
        if source == "soft":
            return np.broadcast_to(self._probabilities, (size, *shape))
        one_hot = np.eye(shape[1], dtype=np.float32)
        if source == "hard":
            return np.broadcast_to(one_hot[self._probabilities.argmax(axis=1)], (size, *shape))
        labels = np.zeros((size, *shape), np.float32)
        for draw in range(k):
            labels += one_hot[self._responses[:, draw]]
        return labels / k


def sampled_classes(probabilities: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Classes that a teacher answers: the quantile transform of standard normal noise.

    Parameters
    ----------
    probabilities : ndarray of shape (n, C)
        The teacher's class probabilities.
    noise : ndarray of shape (..., n)
        Standard normal draws.

    Returns
    -------
    ndarray of shape (..., n)
        Class c where Φ(noise) lies between the cumulative probabilities of c - 1 and c, so that
        every class is answered with its probability.
    """
    cumulative = np.clip(np.cumsum(probabilities, axis=1)[:, :-1], 0, 1)
    thresholds = special.ndtri(cumulative).astype(np.float32)
    classes = np.zeros(noise.shape, np.int16)
    for threshold in thresholds.T:
        classes += noise > threshold
    return classes


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
        Counts that sum to round(fraction · n), at least 1. With a fraction of at most 10 no row is
        drawn 65,536 times.
    """
    size = max(1, round(fraction * n))
    return np.bincount(_drawn(seed, n, max(n, size))[:size], minlength=n).astype(np.uint16)


# To draw a sample takes longer than to fit it, and the conditions of a chunk share theirs.
@functools.lru_cache(maxsize=128)
def _drawn(seed: int, n: int, size: int) -> np.ndarray:
    rows = seeds.generator(seed, "bootstrap").integers(0, n, size=size)
    rows.flags.writeable = False
    return rows


def _chunks(settings: dict[str, Any], width: int, noise: np.ndarray) -> Iterator[_Chunk]:
    """Cut a block into chunks that start at multiples of their width.

    A replicate then sits at the same place of a chunk of the same shape whatever its block, and
    its bits do not depend on the blocks.
    """
    start, stop = settings["start"], settings["stop"]
    path = (settings["experiment"], settings["family"], settings["dataset"])
    for first in range(start // width * width, stop, width):
        replicates = np.arange(first, first + width)
        present = (replicates >= start) & (replicates < stop)
        filled = np.zeros((width, *noise.shape[1:]), np.float32)
        filled[present] = noise[replicates[present] - start]
        seed = [seeds.replicate_seed(settings["seed"], path, int(r)) for r in replicates]
        yield _Chunk(present, replicates, np.array(seed, dtype=np.int64), filled)


def train(
    settings: dict[str, Any],
    teaching: Teaching,
    noise: np.ndarray,
    progress: Callable[[int], object],
) -> dict[str, Any]:
    """Train the students of one block.

    Parameters
    ----------
    settings : dict
        experiment, family, dataset, task, seed, model (the family's settings), start and stop
        (range of replicates), conditions (list of `Condition`) and divergence_factor: a student
        has diverged if a prediction is not finite or its training error exceeds that many times
        the variance of the training targets. In classification, whose error is bounded, one and a
        half times that of answering the frequencies of the classes; certain answers at random have
        twice that.
    teaching : Teaching
        What is learnt from.
    noise : ndarray of shape (replicates, responses, n)
        The block's responses.
    progress : callable
        Told the number of students after every chunk and condition.

    Returns
    -------
    dict of str to array
        The columns of the artifact, a row a student: by condition, then by replicate. Errors are
        means over rows of the squared distance to the truth; in classification that of the
        probabilities to the one-hot truth (Brier 1950), and predictions run over test rows and,
        fastest, classes.
    """
    path = (settings["experiment"], settings["family"], settings["dataset"])
    model_settings = dict(settings["model"])
    if model_settings.get("shared_init"):
        # One draw for the whole run, apart from every replicate's own.
        model_settings["shared_init"] = seeds.replicate_seed(
            settings["seed"], (*path, "shared_init"), 0
        )
    elif "shared_init" in model_settings:
        model_settings["shared_init"] = None
    model = families.family(settings["family"], settings["task"])(teaching.problem, model_settings)
    truth = teaching.problem.train_y
    regression = settings["task"] == "regression"
    kind = _Labels if regression else _ClassLabels
    limit = float(_row_error(np.broadcast_to(truth.mean(axis=0), truth.shape), truth))
    limit *= settings["divergence_factor"] if regression else _CLASS_DIVERGENCE
    conditions: list[Condition] = settings["conditions"]
    parts: list[list[dict[str, Any]]] = [[] for _ in conditions]
    for chunk in _chunks(settings, model.chunk, noise):
        labels: dict[float | None, _Labels | _ClassLabels] = {}
        # Methods that agree at k = 1 share one training.
        trained: dict[tuple[Any, ...], dict[str, Any]] = {}
        for index, condition in enumerate(conditions):
            key = _training_key(condition)
            if key not in trained:
                alpha = condition["alpha"]
                if alpha not in labels:
                    labels = {alpha: kind(model, teaching, chunk, alpha)}
                batch = _batch(condition, labels[alpha], teaching, chunk)
                trained[key] = _rows(model.train(batch), teaching, chunk, limit)
            parts[index].append(trained[key])
            progress(int(chunk.present.sum()))
    return _stack(conditions, parts)


def _row_error(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Squared distance of (..., n[, C]) to (n[, C]): summed over classes, averaged over rows."""
    squared = (prediction - truth) ** 2
    return squared.reshape(*prediction.shape[: -truth.ndim], -1).sum(axis=-1) / len(truth)


def _training_key(condition: Condition) -> tuple[Any, ...]:
    method = "single" if condition["k"] == 1 else condition["method"]
    rest = [value for name, value in condition.items() if name != "method"]
    return (method, *rest)


def _batch(
    condition: Condition, labels: _Labels | _ClassLabels, teaching: Teaching, chunk: _Chunk
) -> families.Batch:
    n = len(teaching.problem.train_y)
    counts = None
    if condition["sample_fraction"] is not None:
        counts = np.stack(
            [bootstrap_counts(int(seed), n, condition["sample_fraction"]) for seed in chunk.seeds]
        )
    return families.Batch(labels.make(condition), chunk.seeds, counts, condition["init_noise"])


def _rows(
    trained: families.Trained, teaching: Teaching, chunk: _Chunk, limit: float
) -> dict[str, Any]:
    """Columns of the present replicates of one chunk and condition."""
    present = chunk.present
    train = trained.train_prediction[present]
    test = trained.test_prediction[present]
    with np.errstate(over="ignore", invalid="ignore"):
        train_mse = _row_error(train, teaching.problem.train_y)
        test_mse = _row_error(test, teaching.test_y)
    size = len(test)
    test = test.reshape(size, -1)
    finite = np.isfinite(train.reshape(size, -1)).all(axis=1) & np.isfinite(test).all(axis=1)
    # A partner that is not in the block was not given its own responses.
    paired = (present & present[np.arange(len(present)) ^ 1])[present]

    def optional(values: np.ndarray | None, pairs: bool = False) -> np.ndarray | None:
        if values is None:
            return None
        return np.where(paired, values[present], np.nan) if pairs else values[present]

    return {
        "replicate": chunk.replicates[present].astype(np.int32),
        "seed": chunk.seeds[present],
        "diverged": ~finite | (train_mse > limit),
        "rank_deficient": optional(trained.rank_deficient),
        "train_mse": train_mse,
        "test_mse": test_mse,
        "parameter_distance_before": optional(trained.distance_before, pairs=True),
        "parameter_distance_after": optional(trained.distance_after, pairs=True),
        "trajectory": optional(trained.trajectory),
        "prediction": test.astype(np.float32),
        "size": size,
    }


def _stack(conditions: list[Condition], parts: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """One table from the chunks of every condition; a column that no chunk has is null."""
    ordered = [(c, rows) for c, chunks in zip(conditions, parts, strict=True) for rows in chunks]
    total = sum(rows["size"] for _, rows in ordered)
    table: dict[str, Any] = {
        name: [condition[name] for condition, rows in ordered for _ in range(rows["size"])]
        for name in conditions[0]
    }
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
