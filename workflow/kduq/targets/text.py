"""Stage ``targets`` of text: the texts that students learn, and their weights."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from kduq import seeds
from kduq.artifacts import schemas
from kduq.conditions import PER_QUESTION, Condition
from kduq.data.corpus import Corpus
from kduq.responses.settings import answer_temperature
from kduq.stage import Inputs, Outputs
from kduq.targets.folds import folds
from kduq.targets.methods import METHODS
from kduq.targets.settings import Pilot
from kduq.targets.settings import TextSettings as Settings

__all__ = ["Responses", "Settings", "run", "select"]

#: Folds of prompts for pilots: two trainings per replicate.
_FOLDS = 2


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the targets of a shard; see `kduq.stage.Stage`."""
    corpus = Corpus.from_columns(inputs.read("examples").table.to_pydict())
    columns = ("replicate", "response", "prompt_id", "temperature", "text")
    responses = inputs.read("responses").columns(columns)
    outputs.write("targets", select(settings, corpus, responses))


class Responses:
    """The teacher's answers for one replicate at one temperature, by prompt.

    Parameters
    ----------
    settings : Settings
        Settings of the shard.
    corpus : Corpus
        The prompts.
    columns : mapping of str to array
        Columns of the artifact ``responses``.
    replicate : int
        Number of the replicate.
    temperature : float
        Temperature of the answers.

    Attributes
    ----------
    prompts : ndarray of shape (n,)
        Identifiers of the prompts.
    texts : list of list of str
        Answers to each prompt, by number of the response.
    """

    def __init__(
        self,
        settings: Settings,
        corpus: Corpus,
        columns: Mapping[str, Any],
        replicate: int,
        temperature: float,
    ) -> None:
        self._settings, self._corpus, self._replicate = settings, corpus, replicate
        mask = (columns["replicate"] == replicate) & (columns["temperature"] == temperature)
        rows = np.flatnonzero(mask)
        rows = rows[np.lexsort((columns["response"][rows], columns["prompt_id"][rows]))]
        self.prompts = np.unique(columns["prompt_id"][rows])
        grouped: dict[int, list[str]] = {int(prompt): [] for prompt in self.prompts}
        for row in rows:
            grouped[int(columns["prompt_id"][row])].append(columns["text"][row])
        self.texts = list(grouped.values())

    @cached_property
    def embedded(self) -> np.ndarray:
        """Embeddings of all answers, shape (n, K, D)."""
        return self._embed(self.texts)

    @property
    def has_answer_distribution(self) -> bool:
        """Whether the corpus lists all answers."""
        return self._corpus.has_answer_distribution

    @cached_property
    def embedded_pilots(self) -> np.ndarray:
        """See `kduq.targets.methods.protocol.Answers`."""
        from kduq.families.lm import training  # noqa: PLC0415

        pilot, seed = self._pilot, self._seed()
        fold = folds(self._corpus.questions(self.prompts), _FOLDS)
        embedded: list[np.ndarray | None] = [None] * len(self.prompts)
        for number in range(_FOLDS):
            (own,) = np.nonzero(fold == number)
            if not len(own):
                continue
            # With one fold alone nothing could be learned; then the pilot stays untrained.
            taught = [
                (self._questions[i], self.texts[i][0]) for i in np.flatnonzero(fold != number)
            ]
            model, tokenizer = self._untrained()
            if taught:
                examples = training.examples_of(taught)
                training.train(model, tokenizer, examples, pilot.model, seed, sampled=True)
            answers = self._answers_of(model, tokenizer, [self._questions[i] for i in own])
            for i, vectors in zip(own, answers, strict=True):
                embedded[i] = vectors
        return np.stack([vectors for vectors in embedded if vectors is not None])

    @cached_property
    def embedded_prior(self) -> np.ndarray:
        """See `kduq.targets.methods.protocol.Answers`."""
        model, tokenizer = self._untrained()
        return np.stack(self._answers_of(model, tokenizer, self._questions))

    def permutation(self) -> np.ndarray:
        """See `kduq.targets.methods.protocol.Answers`."""
        path = (*self._settings.path, "shuffled")
        seed = seeds.replicate_seed(self._settings.seed, path, self._replicate)
        return seeds.generator(seed, "decoding").permutation(len(self.prompts))

    @property
    def _questions(self) -> list[str]:
        return [self._corpus.prompts[i] for i in self.prompts]

    @property
    def _pilot(self) -> Pilot:
        assert self._settings.pilot is not None
        return self._settings.pilot

    def _seed(self, *path: str) -> int:
        settings = self._settings
        return seeds.replicate_seed(settings.seed, (*settings.path, *path), self._replicate)

    def _untrained(self) -> tuple[Any, Any]:
        """A copy of the student at which all students start, and its tokenizer."""
        from kduq.families.lm import models  # noqa: PLC0415

        settings = self._settings
        shared = seeds.replicate_seed(settings.seed, (*settings.path, "shared_init"), 0)
        return models.load_or_create(self._pilot.model, self._corpus.texts(), shared)

    def _answers_of(self, model: Any, tokenizer: Any, questions: list[str]) -> list[np.ndarray]:
        """Embeddings of as many answers of a model as there are responses, by question."""
        # Only targets with a pilot need the libraries of language models.
        from kduq.families.lm import sampling  # noqa: PLC0415

        pilot, number = self._pilot, len(self.texts[0])
        answers = sampling.answer(
            model,
            tokenizer,
            questions,
            number,
            pilot.decoding,
            1.0,
            self._seed("pilot"),
            pilot.model.max_length,
        )
        texts = [a.text for a in answers]
        return list(self._embed([texts[i : i + number] for i in range(0, len(texts), number)]))

    def shared(self, texts: Sequence[Sequence[str]]) -> list[Sequence[str]]:
        """Answers to the first wording of each prompt's question."""
        questions = self._corpus.questions(self.prompts)
        _, firsts, question = np.unique(questions, return_index=True, return_inverse=True)
        return [texts[i] for i in firsts[question]]

    def _embed(self, texts: list[list[str]]) -> np.ndarray:
        # Only targets of methods that compare answers need the libraries of language models.
        from kduq.families.lm import embeddings  # noqa: PLC0415

        embedding = self._settings.embedding
        assert embedding is not None
        flat = [text for group in texts for text in group]
        embedded = embeddings.embed(flat, embedding.source)
        return embedded.reshape(len(texts), -1, embedded.shape[1]).astype(np.float64)


class _First:
    """The first k answers; see `kduq.targets.methods.protocol.Answers`."""

    def __init__(self, responses: Responses, texts: Sequence[Sequence[str]], k: int) -> None:
        self._responses, self._k, self.texts = responses, k, texts

    def embedded(self) -> np.ndarray:
        return self._responses.embedded[:, : self._k]

    @property
    def equal_by_text(self) -> bool:
        return self._responses.has_answer_distribution

    def embedded_pilots(self) -> np.ndarray:
        return self._responses.embedded_pilots

    def embedded_prior(self) -> np.ndarray:
        return self._responses.embedded_prior[:, : self._k]

    def permutation(self) -> np.ndarray:
        return self._responses.permutation()


def selected(responses: Responses, condition: Condition) -> Sequence[Sequence[str]]:
    """Texts that a condition's method selects of the first k responses to each prompt.

    Parameters
    ----------
    responses : Responses
        Of the condition's temperature.
    condition : Condition
        Its method, k and source of labels are used.

    Returns
    -------
    list of list of str
        Texts by prompt; equal texts as often as they count.

    Raises
    ------
    UserError
        If the method is unknown.
    """
    k, method = condition.k or 1, METHODS[str(condition.method)]
    first: Sequence[Sequence[str]] = [texts[:k] for texts in responses.texts]
    if condition.label_source == PER_QUESTION:
        first = responses.shared(first)
    return first if k == 1 else method.select(_First(responses, first, k))


def select(settings: Settings, corpus: Corpus, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Select what the students of a shard are taught.

    Parameters
    ----------
    settings : Settings
        Settings of the shard.
    corpus : Corpus
        The prompts.
    columns : mapping of str to array
        Columns of the shard's responses.

    Returns
    -------
    dict of str to array or list
        The columns of the artifact, by condition, replicate and prompt, the texts of a prompt in
        the order of the responses. Equal texts of a prompt are one row; weight is a text's share of
        the selected texts.
    """
    parts: dict[tuple[int, int], list[tuple[int, str, float]]] = {}
    for replicate in settings.replicates:
        at: dict[float, Responses] = {}
        for i, condition in enumerate(settings.conditions):
            temperature = answer_temperature(condition)
            if temperature not in at:
                at[temperature] = Responses(settings, corpus, columns, replicate, temperature)
            texts = selected(at[temperature], condition)
            parts[i, replicate] = [
                (int(prompt), text, count / len(group))
                for prompt, group in zip(at[temperature].prompts, texts, strict=True)
                for text, count in Counter(group).items()
            ]
    keys = [key for key in sorted(parts) for _ in parts[key]]
    rows = [row for key in sorted(parts) for row in parts[key]]
    return {
        name: [getattr(settings.conditions[i], name) for i, _ in keys] for name in schemas.CONDITION
    } | {
        "replicate": np.array([replicate for _, replicate in keys], np.int32),
        "prompt_id": np.array([prompt for prompt, _, _ in rows], np.int32),
        "text": [text for _, text, _ in rows],
        "weight": np.array([weight for _, _, weight in rows]),
    }
