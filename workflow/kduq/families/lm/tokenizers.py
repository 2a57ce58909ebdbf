"""Tokenizers: learnt from texts, or those of a pretrained model as its files have them."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import huggingface_hub
import transformers
from tokenizers import Tokenizer as RustTokenizer
from tokenizers import decoders, pre_tokenizers, trainers
from tokenizers import models as tokenizer_models

from kduq.errors import UserError
from kduq.families.lm import text
from kduq.families.lm.text import Tokenizer

_FAST_TOKENIZER: Any = transformers.PreTrainedTokenizerFast

END_OF_TEXT = "<|endoftext|>"

#: Texts by which two tokenizers are compared.
_COMPARED = (
    text.TEMPLATE,
    "Which colours does Łódź's naïve façade have? ÅÄÖ, Ελλάδα, Москва, 東京 🙂",
    "The year 1984: 3.14159, 1,000,000 and -7% of 2²",
    "  two  spaces\n\n\ttabs\r\n   and an end ",
    "def area(r): return pi * r**2  # it's <b>HTML</b> & C++_code",
    "don't we're O’Neill's e-mail@host.org",
)


def make_tokenizer(texts: Sequence[str], vocabulary: int) -> Tokenizer:
    """Learn a byte-level byte-pair encoding.

    Parameters
    ----------
    texts : sequence of str
        Questions and answers, without the template; equal texts give equal tokenizers.
    vocabulary : int
        Largest number of tokens, at least 257: the bytes and the end-of-text token.

    Returns
    -------
    transformers.PreTrainedTokenizerFast
        Decoding an encoded text gives the text. The end-of-text token is also the padding and start
        token; there is no unknown token.
    """
    tokenizer = RustTokenizer(tokenizer_models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((f"{text.prompt_text(line)} {line}" for line in texts), trainer)
    return _FAST_TOKENIZER(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        bos_token=END_OF_TEXT,
        clean_up_tokenization_spaces=False,
    )


def read_tokenizer(
    path: str, source: str, common: dict[str, Any], attempt: Callable[[str, Callable[[], Any]], Any]
) -> Tokenizer:
    """The tokenizer of a model, as its own tokenizer.json has it.

    Transformers may build a tokenizer from the name of its class, with that class's rules of
    splitting a text, although the file has others.
    """
    file = _file(path, "tokenizer.json")
    if file is None:
        tokenizer = attempt(
            "tokenizer", partial(transformers.AutoTokenizer.from_pretrained, path, **common)
        )
        # It may have been downloaded just now.
        file = _file(path, "tokenizer.json")
        if file is None:
            return tokenizer
    own = attempt("tokenizer", lambda: RustTokenizer.from_file(str(file)))
    own.no_truncation()
    own.no_padding()
    for kind in (transformers.AutoTokenizer, _FAST_TOKENIZER):
        try:
            tokenizer = attempt("tokenizer", partial(kind.from_pretrained, path, **common))
        except UserError:
            # The class may need tokens that the file does not have.
            if kind is _FAST_TOKENIZER:
                raise
            continue
        # A class may add tokens of its own, for which the model has no embedding.
        added = len(tokenizer) > own.get_vocab_size(with_added_tokens=True)
        if _encodes_like(tokenizer, own) and not (added and kind is not _FAST_TOKENIZER):
            return tokenizer
    raise UserError(
        f"{source}: transformers reads its tokenizer.json as a tokenizer with other tokens; save "
        "the tokenizer again as a PreTrainedTokenizerFast, or name another model"
    )


def _file(path: str, name: str) -> Path | None:
    """A file of a folder, or of a model in the cache of the hub; None if it does not exist."""
    if Path(path).is_dir():
        file = Path(path) / name
        return file if file.is_file() else None
    cached = huggingface_hub.try_to_load_from_cache(path, name)
    return Path(cached) if isinstance(cached, str) else None


def _encodes_like(tokenizer: Tokenizer, own: RustTokenizer) -> bool:
    """Whether texts have the same tokens in both tokenizers, and tokens the same text."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    # With these settings the tokens around a text are not those of the file.
    configured = any(f"add_{role}_token" in tokenizer.init_kwargs for role in ("bos", "eos"))
    for line in _COMPARED:
        expected = _tokens_of(own.encode, line)
        if expected is None:
            continue
        if _tokens_of(tokenizer, line) != expected:
            return False
        around = None if configured else _tokens_of(own.encode, line, around=True)
        if around is not None and _tokens_of(tokenizer, line, around=True) != around:
            return False
        if backend is not None and backend.decode(expected) != own.decode(expected):
            return False
    return True


def _tokens_of(encode: Callable[..., Any], line: str, around: bool = False) -> list[int] | None:
    """Tokens of a text; None if the vocabulary lacks a word and has no token for unknown ones."""
    try:
        encoded = encode(line, add_special_tokens=around)
    # The library raises nothing more specific.
    except Exception:  # noqa: BLE001
        return None
    return list(encoded.ids if hasattr(encoded, "ids") else encoded.input_ids)
