"""Embeddings of the packaged model."""

import numpy as np
import pytest
from kduq.errors import UserError
from kduq.families.lm import embeddings


def test_neighbours_in_a_batch_do_not_matter():
    texts = ["red", "a much longer answer about the old bridge over the river", "red", ""]
    together = embeddings.embed(texts)
    assert together.shape == (4, 384)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(together[0], together[2])
    for line, row in zip(texts, together, strict=True):
        np.testing.assert_allclose(embeddings.embed([line])[0], row, atol=1e-6)
    np.testing.assert_array_equal(embeddings.embed(["", " "])[0], embeddings.embed(["", " "])[1])
    assert embeddings.embed([]).shape == (0, 384)


def test_the_nearest_sentence_says_the_same():
    embedded = embeddings.embed(
        [
            "The cat sleeps on the sofa.",
            "A kitten is napping on the couch.",
            "Interest rates rose again this year.",
            "Banks charge more for loans than before.",
        ]
    )
    likeness = embedded @ embedded.T - 2 * np.eye(4)
    assert likeness.argmax(axis=1).tolist() == [1, 0, 3, 2]
    assert likeness[0, 2] < 0.2


def test_another_model_is_loaded_under_the_same_rules(tmp_path):
    with pytest.raises(UserError, match="configuration cannot be read") as caught:
        embeddings.embed(["red"], str(tmp_path))
    assert "\n" not in str(caught.value)
    same = embeddings.embed(["red"], embeddings._bundled())
    np.testing.assert_array_equal(same, embeddings.embed(["red"]))
