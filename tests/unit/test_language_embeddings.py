"""Embeddings of the packaged model."""

import numpy as np
import pytest
import torch
import transformers
from kduq.errors import UserError
from kduq.families.lm import embeddings, models, tokenizers
from kduq.targets.selection import nearest


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


def encoder(folder, kind="bert", **tokens):
    """A small random encoder whose tokenizer adds no token to a text."""
    learnt = tokenizers.make_tokenizer(["a red house", "dark blue"], 300)
    plain = transformers.PreTrainedTokenizerFast(
        tokenizer_object=learnt.backend_tokenizer, **tokens
    )
    config = transformers.AutoConfig.for_model(
        kind,
        vocab_size=300,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=20,
        pad_token_id=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = transformers.AutoModel.from_config(config)
    models.save(network, plain, folder)
    return str(folder)


@pytest.mark.parametrize("role", ["eos_token", "pad_token", "cls_token"])
def test_an_empty_answer_is_equal_to_itself_and_to_no_other(tmp_path, role):
    source = encoder(tmp_path, **{role: "<|endoftext|>"})
    texts = ["", "a red house", "", "dark blue"]
    embedded = embeddings.embed(texts, source)
    np.testing.assert_allclose(np.linalg.norm(embedded, axis=1), 1, rtol=1e-5)
    likeness = embedded @ embedded.T
    assert likeness[0, 2] == pytest.approx(1)
    assert likeness[0, 1] < 0.99
    # Averaging takes the answer nearest to the mean: the empty one if most answers are empty.
    answers = np.stack([embedded[[0, 2, 1]], embedded[[1, 1, 0]]])
    assert [texts[[0, 2, 1][nearest(answers.mean(axis=1), answers)[0]]]] == [""]
    assert nearest(answers.mean(axis=1), answers)[1] == 0
    np.testing.assert_array_equal(embeddings.embed([""], source)[0], embedded[0])


def test_an_empty_answer_without_any_token_for_it_is_refused(tmp_path):
    source = encoder(tmp_path)
    assert embeddings.embed(["a red house"], source).shape == (1, 32)
    with pytest.raises(UserError, match="an answer is empty, and the tokenizer of this") as caught:
        embeddings.embed(["a red house", ""], source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_a_text_is_cut_where_a_model_has_no_more_positions(tmp_path, kind):
    source = encoder(tmp_path, kind, eos_token="<|endoftext|>")
    embedded = embeddings.embed(["zq" * 30, "zq" * 31, "red"], source)
    np.testing.assert_array_equal(embedded[0], embedded[1])


def test_an_embedding_model_with_a_decoder_is_refused(tmp_path):
    config = transformers.T5Config(
        vocab_size=300, d_model=32, d_kv=8, d_ff=64, num_layers=1, num_heads=4
    )
    models.save(transformers.T5Model(config), tokenizers.make_tokenizer(["red"], 300), tmp_path)
    with pytest.raises(UserError, match="has an encoder and a decoder") as caught:
        embeddings.embed(["red"], str(tmp_path))
    assert "\n" not in str(caught.value)
