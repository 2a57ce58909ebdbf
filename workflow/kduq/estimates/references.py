"""References of prompts, with which answers of language models are compared."""

from collections.abc import Sequence

import numpy as np

from kduq.config.data import Matching
from kduq.data.corpus import Corpus
from kduq.data.matching import matcher, plain
from kduq.estimates.answers import Answers, Lookup


def _mean_over_draws(values: np.ndarray) -> np.ndarray:
    """Means of shape (S,) of values of shape (S, J); J is 0 where there are no models."""
    return values.sum(axis=1) / max(values.shape[1], 1)


class References:
    """References of the evaluated prompts, with which answers are compared.

    Parameters
    ----------
    corpus, references, evaluated
        See `kduq.estimates.text.estimate`.
    matching : str, optional
        exact or contained; None for exact where the corpus has an answer distribution, and for the
        similarity of embeddings elsewhere.
    """

    def __init__(
        self,
        corpus: Corpus,
        references: Sequence[np.ndarray],
        evaluated: np.ndarray,
        matching: Matching | None = None,
    ) -> None:
        self._matching = matching
        self.has_answer_distribution = corpus.has_answer_distribution
        #: Questions of the evaluated prompts, shape (P,).
        self.questions = corpus.questions(evaluated)
        self.references = [np.asarray(values, np.float64) for values in references]
        self._splits = np.array([corpus.split[i] for i in evaluated], dtype=object)
        texts = [[plain(text) for text in corpus.references[i]] for i in evaluated]
        #: Right answers to each prompt.
        self.supported = [{plain(text) for text in corpus.right(i)} for i in evaluated]
        weights = [np.array(corpus.weights(i)) for i in evaluated]
        #: References' probability-weighted mean, shape (P, D).
        self.centre = np.zeros((0, 1))
        if texts:
            self.centre = np.array(
                [w @ values for w, values in zip(weights, self.references, strict=True)]
            )
        width = max(map(len, texts), default=0)
        #: True probabilities, shape (P, A + 1), padded with zeros; the last column is "outside".
        self.truth = np.zeros((len(texts), width + 1))
        #: Probabilities with which a teacher is taught, in the same shape.
        self.taught = np.zeros(self.truth.shape)
        #: Whether a column of `truth` is one of the prompt's references.
        self.real = np.zeros(self.truth.shape, bool)
        for p, values in enumerate(weights):
            self.truth[p, : len(values)] = values
            self.taught[p, : len(values)] = corpus.taught(evaluated[p])
            self.real[p, : len(values)] = True
        #: Whether it is a right answer: errors that are taught are references of probability zero.
        self.right = self.truth > 0
        self.has_errors = corpus.has_errors
        # A reference that several prompts share is listed once: rounding must not make an answer
        # nearer to one prompt's copy than to the other's.
        embedding_of = {
            text: values
            for group, rows in zip(texts, self.references, strict=True)
            for text, values in zip(group, rows, strict=True)
        }
        self.distinct = np.array(list(embedding_of.values()))
        #: Whether a distinct reference belongs to a prompt, shape (P, distinct references).
        self.own = np.array([[text in group for text in embedding_of] for group in self.supported])

    def groups(self) -> dict[str, np.ndarray]:
        """Prompts of each group, as masks of shape (P,)."""
        everything = {"all": np.ones(len(self._splits), bool)}
        splits = {split: self._splits == split for split in ("train", "test")}
        return everything | (splits if all(mask.any() for mask in splits.values()) else {})

    def similarity_to_reference(self, embeddings: np.ndarray | Lookup) -> np.ndarray:
        """Mean over draws of the cosine to a prompt's nearest right answer, shape (S, P)."""
        similarities = np.zeros(embeddings.shape[:2])
        for p, references in enumerate(self.references):
            right = references[self.right[p, : len(references)]]
            cosines = embeddings[:, p].astype(np.float64) @ right.T
            similarities[:, p] = _mean_over_draws(cosines.max(axis=2))
        return similarities

    def wrong(self, answers: Answers) -> np.ndarray:
        """Whether each answer is hallucinated, 0 or 1, shape (S, P, J).

        By their texts, with an answer distribution or a kind of matching: answers that neither
        equal a right answer, up to white space, nor, if matching is contained, contain one. By
        embeddings elsewhere: answers nearer to another evaluated question's reference than to any
        reference of their own question; NaN where no other question has a reference of its own.
        """
        wrong = np.full(answers.texts.shape, np.nan)
        for p, supported in enumerate(self.supported):
            if self.has_answer_distribution or self._matching:
                texts = answers.texts[:, p]
                is_right = matcher(supported, self._matching == "contained")
                outside = [not is_right(text) for text in texts.flat]
                wrong[:, p] = np.array(outside, bool).reshape(texts.shape)
            elif not self.own[p].all():
                cosines = answers.embeddings[:, p].astype(np.float64) @ self.distinct.T
                own, others = cosines[..., self.own[p]], cosines[..., ~self.own[p]]
                wrong[:, p] = others.max(axis=2) > own.max(axis=2)
        return wrong
