"""Stage ``students`` of text: distilled language models, their answers and embeddings."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from kduq import seeds
from kduq.answers.text import check_max_new_tokens, evaluate_on_prompts
from kduq.artifacts import schemas
from kduq.conditions import PER_QUESTION, Condition
from kduq.data.corpus import Corpus
from kduq.families.lm import embeddings, models, sampling, training
from kduq.families.lm.text import Model, Tokenizer
from kduq.registry import require_known
from kduq.responses.settings import answer_temperature
from kduq.stage import Inputs, Outputs, progress
from kduq.students.settings import TextSettings as Settings

__all__ = ["Responses", "Settings", "run", "train"]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the students of a shard and their loss curves; see `kduq.stage.Stage`."""
    corpus, responses = read_distillation_data(inputs)
    with progress(len(settings.replicates) * len(settings.conditions), "student") as advance:
        students, losses = train(settings, corpus, responses, advance)
    outputs.write("losses", losses)
    outputs.write("students", students)


def read_distillation_data(inputs: Inputs) -> tuple[Corpus, dict[str, Any]]:
    """Read the corpus and the columns of the responses from which a shard's students learn."""
    corpus = Corpus.from_columns(inputs.read("examples").table.to_pydict())
    columns = ("replicate", "response", "prompt_id", "temperature", "text")
    return corpus, inputs.read("responses").columns(columns)


#: Methods that select what a student learns of the responses to a prompt.
_METHODS = ("single", "multi_response", "averaging", "variance_weighting")


class Responses:
    """The teacher's answers for one replicate at one temperature, by prompt.

    Parameters
    ----------
    prompts : ndarray of shape (n,)
        Identifiers of the prompts.
    texts : list of list of str
        Answers to each prompt, by number of the response.
    """

    def __init__(self, prompts: np.ndarray, texts: list[list[str]]) -> None:
        self.prompts, self.texts = prompts, texts

    @classmethod
    def from_columns(
        cls, columns: Mapping[str, Any], replicate: int, temperature: float
    ) -> "Responses":
        """Select from the columns of the artifact ``responses``."""
        mask = (columns["replicate"] == replicate) & (columns["temperature"] == temperature)
        rows = np.flatnonzero(mask)
        rows = rows[np.lexsort((columns["response"][rows], columns["prompt_id"][rows]))]
        prompts = np.unique(columns["prompt_id"][rows])
        grouped: dict[int, list[str]] = {int(prompt): [] for prompt in prompts}
        for row in rows:
            grouped[int(columns["prompt_id"][row])].append(columns["text"][row])
        return cls(prompts, list(grouped.values()))


def nearest(centroids: np.ndarray, embedded: np.ndarray) -> np.ndarray:
    """Number of the response nearest to each prompt's centroid.

    Parameters
    ----------
    centroids : ndarray of shape (n, D)
        Targets in embedding space.
    embedded : ndarray of shape (n, k, D)
        Responses.

    Returns
    -------
    ndarray of shape (n,)
        The first response at the least Euclidean distance, up to rounding.
    """
    squared = ((embedded - centroids[:, None]) ** 2).sum(axis=2)
    # Equal texts have equal distances; rounding must not decide between them.
    return np.argmin(np.round(squared, 6), axis=1)


def weighted_centroids(responses: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Inverse-variance mix of the teacher's centroid and the student's own.

    See Cui & Pei (2026), section 7.

    Parameters
    ----------
    responses : ndarray of shape (n, k, D)
        The teacher's responses to each prompt, k at least 2.
    own : ndarray of shape (n, k, D)
        Answers that a pilot student samples to each.

    Returns
    -------
    ndarray of shape (n, D)
        (T/v_T + S/v_S)/(1/v_T + 1/v_S) per prompt, with the means T and S and their variances v,
        the trace of the unbiased covariance over k. If both variances are zero, both means have
        equal weight.
    """
    means, variances = [], []
    for draws in (responses, own):
        means.append(draws.mean(axis=1))
        variances.append(draws.var(axis=1, ddof=1).sum(axis=1) / draws.shape[1])
    total = variances[0] + variances[1]
    share = np.divide(variances[1], total, out=np.full(len(total), 0.5), where=total > 0)
    return share[:, None] * means[0] + (1 - share)[:, None] * means[1]


class _Replicate:
    """Trains the students of one replicate; what conditions share is computed once."""

    def __init__(
        self,
        settings: Settings,
        corpus: Corpus,
        start: tuple[Model, Tokenizer],
        columns: Mapping[str, Any],
        replicate: int,
    ) -> None:
        self._settings, self._corpus, self._columns = settings, corpus, columns
        self._start, self._tokenizer = start
        self._replicate = replicate
        self.seed = seeds.replicate_seed(settings.seed, settings.path, replicate)
        pilot = (*settings.path, "pilot")
        self._pilot_seed = seeds.replicate_seed(settings.seed, pilot, replicate)
        self._responses: dict[float, Responses] = {}
        self._embedded: dict[float, np.ndarray] = {}
        self._pilots: dict[float, np.ndarray] = {}
        self._trained: dict[tuple[Any, ...], tuple[dict[str, Any], training.Losses]] = {}

    def student(self, condition: Condition) -> tuple[dict[str, Any], training.Losses]:
        """Answers of the student of a condition, and its loss curve."""
        # Methods that select the same texts, as all do at k = 1, share one student.
        pairs = self._pairs(condition)
        key = (tuple(pairs), condition.init_noise)
        if key not in self._trained:
            model, losses = self._train(pairs, condition.init_noise)
            answers = evaluate_on_prompts(
                model, self._tokenizer, self._settings.evaluation, self._corpus, self.seed
            )
            self._trained[key] = answers, losses
        return self._trained[key]

    def _train(
        self, pairs: list[tuple[str, str]], init_noise: float | None
    ) -> tuple[Model, training.Losses]:
        model = copy.deepcopy(self._start)
        if init_noise:
            draw = seeds.generator(self.seed, "init_noise").integers(2**63)
            models.perturb(model, init_noise, torch.Generator().manual_seed(int(draw)))
        losses = training.train(
            model,
            self._tokenizer,
            training.examples_of(pairs),
            self._settings.model,
            self.seed,
        )
        return model, losses

    def _responses_at(self, temperature: float) -> Responses:
        if temperature not in self._responses:
            self._responses[temperature] = Responses.from_columns(
                self._columns, self._replicate, temperature
            )
        return self._responses[temperature]

    def _pairs(self, condition: Condition) -> list[tuple[str, str]]:
        """Questions and answers that the method selects from the first k responses."""
        temperature = answer_temperature(condition)
        responses, k, method = self._responses_at(temperature), condition.k or 1, condition.method
        require_known("method", method, _METHODS)
        questions = [self._corpus.prompts[i] for i in responses.prompts]
        first = [texts[:k] for texts in responses.texts]
        if condition.label_source == PER_QUESTION:
            first = self._shared(responses.prompts, first)
        if method == "multi_response" or k == 1:
            return [(q, a) for q, texts in zip(questions, first, strict=True) for a in texts]
        embedded = self._response_embeddings(temperature)[:, :k]
        if method == "averaging":
            centroids = embedded.mean(axis=1)
        else:
            own = self._pilot_embeddings(temperature)[:, :k]
            centroids = weighted_centroids(embedded, own)
        numbers = nearest(centroids, embedded)
        return [(q, texts[i]) for q, texts, i in zip(questions, first, numbers, strict=True)]

    def _shared(self, prompts: np.ndarray, texts: list[list[str]]) -> list[list[str]]:
        """Answers to the first wording of each prompt's question."""
        questions = self._corpus.questions(prompts)
        _, firsts, question = np.unique(questions, return_index=True, return_inverse=True)
        return [texts[i] for i in firsts[question]]

    def _response_embeddings(self, temperature: float) -> np.ndarray:
        """Embeddings of all responses, shape (n, k, D)."""
        if temperature not in self._embedded:
            texts = self._responses_at(temperature).texts
            self._embedded[temperature] = self._embed(texts)
        return self._embedded[temperature]

    def _pilot_embeddings(self, temperature: float) -> np.ndarray:
        """Embeddings of as many answers of the pilot, which is trained on the first response."""
        if temperature not in self._pilots:
            responses = self._responses_at(temperature)
            questions = [self._corpus.prompts[i] for i in responses.prompts]
            pairs = [(q, texts[0]) for q, texts in zip(questions, responses.texts, strict=True)]
            model, _ = self._train(pairs, None)
            evaluation = self._settings.evaluation
            number = len(responses.texts[0])
            answers = sampling.answer(
                model,
                self._tokenizer,
                questions,
                number,
                evaluation.decoding,
                1.0,
                self._pilot_seed,
                evaluation.max_length,
            )
            texts = [a.text for a in answers]
            grouped = [texts[i : i + number] for i in range(0, len(texts), number)]
            self._pilots[temperature] = self._embed(grouped)
        return self._pilots[temperature]

    def _embed(self, texts: list[list[str]]) -> np.ndarray:
        flat = [text for group in texts for text in group]
        embedded = embeddings.embed(flat, self._settings.evaluation.embedding_model)
        return embedded.reshape(len(texts), -1, embedded.shape[1]).astype(np.float64)


def train(
    settings: Settings,
    corpus: Corpus,
    responses: Mapping[str, Any],
    advance: Callable[[int], object],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Train the students of one shard, and let each answer the evaluated prompts.

    All students of a run start at the same weights, as all students of the paper start at
    DistilGPT-2, and each has its own order of the prompts. Every method trains for the same number
    of steps on batches of the same number of prompts, so k answers per prompt are not k times the
    training: a prompt's answers share its visits, weighted by their frequency.

    Parameters
    ----------
    settings : Settings
        Settings of the shard.
    corpus : Corpus
        The prompts.
    responses : mapping of str to array or list
        Columns of the shard's responses.
    advance : callable
        Called with 1 after every student.

    Returns
    -------
    students, losses : dict of str to array or list
        The columns of the artifacts ``students``, by condition, replicate, prompt and draw, and
        ``losses``. A student has diverged if its last loss is not finite.
    """
    shared = seeds.replicate_seed(settings.seed, (*settings.path, "shared_init"), 0)
    start = models.load_or_create(settings.model, corpus.texts(), shared)
    check_max_new_tokens(start[1], settings.evaluation, corpus)  # before anything is trained
    parts: dict[tuple[int, int], tuple[dict[str, Any], dict[str, Any]]] = {}
    for number in settings.replicates:
        replicate = _Replicate(settings, corpus, start, responses, number)
        for i, condition in enumerate(settings.conditions):
            answers, losses = replicate.student(condition)
            parts[i, number] = rows_of_student(condition, number, replicate.seed, answers, losses)
            advance(1)
    ordered = [parts[key] for key in sorted(parts)]
    return stack([rows for rows, _ in ordered]), stack([rows for _, rows in ordered])


def rows_of_student(
    condition: Condition,
    number: int,
    seed: int | None,
    answers: dict[str, Any],
    losses: training.Losses,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Rows of one student in the artifacts ``students`` and ``losses``.

    Parameters
    ----------
    condition : Condition
        Its condition.
    number : int
        Number of its replicate.
    seed : int, optional
        Its seed; None if it has several.
    answers : dict of str to array or list
        From `kduq.answers.text.evaluate_on_prompts`.
    losses : Losses
        Its loss curve.

    Returns
    -------
    students, losses : dict of str to array or list
        One row per answer, and one row per point of the curve.
    """
    size, last = len(answers["text"]), float(losses.loss[-1])
    values = {name: getattr(condition, name) for name in schemas.CONDITION}
    return (
        {name: [value] * size for name, value in values.items()}
        | {
            "replicate": np.full(size, number, np.int32),
            "seed": [seed] * size,
            "diverged": np.full(size, not np.isfinite(last)),
            "train_loss": np.full(size, last),
        }
        | answers,
        {name: [value] * len(losses.step) for name, value in values.items()}
        | {
            "replicate": np.full(len(losses.step), number, np.int32),
            "step": losses.step.astype(np.int32),
            "loss": losses.loss,
            "learning_rate": losses.learning_rate,
        },
    )


def stack(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Stack the columns of several tables."""
    stacked: dict[str, Any] = {}
    for name, first in parts[0].items():
        values = [part[name] for part in parts]
        if isinstance(first, np.ndarray):
            stacked[name] = np.concatenate(values)
        else:
            stacked[name] = [value for part in values for value in part]
    return stacked
