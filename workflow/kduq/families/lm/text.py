"""Questions and answers as text and as tokens."""

from collections.abc import Iterable, Sequence
from typing import Any

from kduq.errors import UserError

#: Placeholder of the question in a template.
QUESTION = "{question}"
#: Prompt of a model; its answer follows after a space and ends with the end-of-text token.
TEMPLATE = f"Question: {QUESTION}\nAnswer:"
#: Key of a model's own template in the tokenizer's settings, which are saved with it.
_OWN = "question_template"

#: A transformers tokenizer or model, whose classes are created at run time, unknown to type
#: checkers.
Tokenizer = Any
Model = Any


def prompt_text(question: str, template: str = TEMPLATE) -> str:
    """The prompt of a question."""
    return template.replace(QUESTION, question)


def use_template(tokenizer: Tokenizer, template: str) -> None:
    """Set a model's own template: an instruct model answers well only with its chat template.

    Parameters
    ----------
    tokenizer : transformers tokenizer
        The model's; changed in place. The template is saved and loaded with it, so that training,
        sampling and scoring use the same template.
    template : str
        Prompt of the model, with `QUESTION` in place of the question. It may have special tokens.
    """
    tokenizer.init_kwargs[_OWN] = template


def _prompt_texts(tokenizer: Tokenizer, questions: Sequence[str]) -> list[str]:
    template = tokenizer.init_kwargs.get(_OWN, TEMPLATE)
    return [prompt_text(question, template) for question in questions]


def end_of_text(tokenizer: Tokenizer) -> int:
    """Identifier of the token that ends an answer.

    Raises
    ------
    UserError
        If the tokenizer has none.
    """
    if tokenizer.eos_token_id is None:
        raise UserError(
            f"{tokenizer.name_or_path}: its tokenizer has no end-of-text token (eos_token), "
            "without which a student cannot learn to stop; name another model"
        )
    return int(tokenizer.eos_token_id)


def special_tokens(tokenizer: Tokenizer) -> dict[int, str]:
    """Special tokens of a tokenizer by identifier: its control characters, which no text may spell.

    Parameters
    ----------
    tokenizer : transformers tokenizer
        Any tokenizer.

    Returns
    -------
    dict of int to str
        The end-of-text token, and all that have a role or are marked as special. The unknown token
        stands for ordinary text, and is left out unless it also ends a text.
    """
    special = dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))
    for i, token in tokenizer.added_tokens_decoder.items():
        if token.special:
            special[i] = str(token)
    unknown = unknown_token(tokenizer)
    if unknown is not None:
        special.pop(unknown[0], None)
    return special


def unknown_token(tokenizer: Tokenizer) -> tuple[int, str] | None:
    """Token in place of what the vocabulary lacks, by identifier and name.

    Parameters
    ----------
    tokenizer : transformers tokenizer
        Any tokenizer; the token may be known to its vocabulary alone and have no role.

    Returns
    -------
    tuple of int and str, or None
        None if there is none, or if it is the end-of-text token, which byte-level tokenizers name
        and never use.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    name = tokenizer.unk_token or getattr(getattr(backend, "model", None), "unk_token", None)
    if not name or name == tokenizer.eos_token or name not in tokenizer.get_vocab():
        return None
    return int(tokenizer.convert_tokens_to_ids(name)), str(name)


def refuse_special_tokens(tokenizer: Tokenizer, texts: Iterable[str]) -> None:
    """Refuse a question or answer that spells a special token of the tokenizer.

    Parameters
    ----------
    tokenizer : transformers tokenizer
        The model's, which would read the token itself and not its letters.
    texts : iterable of str
        Questions or answers, without the template.

    Raises
    ------
    UserError
        With the first such text and the token; also if a text cannot be encoded.
    """
    distinct = list(dict.fromkeys(texts))
    if not distinct:
        return
    special, unknown = special_tokens(tokenizer), unknown_token(tokenizer)
    encoded = _encode(tokenizer, distinct, add_special_tokens=False)
    for line, tokens in zip(distinct, encoded, strict=True):
        found = next((special[token] for token in tokens if token in special), None)
        if found is None and unknown and unknown[1] in line and unknown[0] in tokens:
            found = unknown[1]
        if found is not None:
            kind = "end-of-text" if found == tokenizer.eos_token else "special"
            raise UserError(
                f"'{_one_line(line)}' contains the {kind} token {_one_line(found)} of the "
                "tokenizer; remove it from the corpus"
            )


def _encode(
    tokenizer: Tokenizer, texts: Sequence[str], add_special_tokens: bool = True
) -> list[list[int]]:
    """Tokens of texts; a UserError if a vocabulary lacks one and has no token for that."""
    if not texts:
        return []
    try:
        encoded = tokenizer(list(texts), add_special_tokens=add_special_tokens)
    # The library raises nothing more specific, and does not name the text.
    except Exception as error:  # noqa: BLE001
        raise UserError(
            f"{tokenizer.name_or_path}: its tokenizer cannot encode all prompts and answers "
            f"({_one_line(str(error))}); name a model whose vocabulary has their words"
        ) from None
    return [list(tokens) for tokens in encoded.input_ids]


def _one_line(line: str) -> str:
    return line[:60].replace("\n", "\\n").replace("\r", "\\r")


def encode_prompts(
    tokenizer: Tokenizer, questions: Sequence[str], max_length: int
) -> list[list[int]]:
    """Tokens of the prompts of questions.

    Parameters
    ----------
    tokenizer : transformers tokenizer
        The model's.
    questions : sequence of str
        Questions, without the template.
    max_length : int
        Tokens that a prompt and its answer may have together.

    Returns
    -------
    list of list of int
        One list per question, with the tokens that the tokenizer adds at the start of a text and
        without those that it adds at the end.

    Raises
    ------
    UserError
        If a prompt leaves no room for an answer of one token, or if a question spells a special
        token.
    """
    if not questions:
        return []
    refuse_special_tokens(tokenizer, questions)
    end = end_of_text(tokenizer)
    encoded = _encode(tokenizer, _prompt_texts(tokenizer, questions))
    prompts = []
    for question, tokens in zip(questions, encoded, strict=True):
        prompt = list(tokens)
        while len(prompt) > 1 and prompt[-1] == end:
            prompt.pop()
        if len(prompt) >= max_length:
            raise UserError(
                f"max_length: {max_length} tokens are too few for the question "
                f"'{_one_line(question)}', whose prompt has {len(prompt)}; raise max_length or "
                "shorten the question"
            )
        prompts.append(prompt)
    return prompts


def encode_answers(
    tokenizer: Tokenizer,
    questions: Sequence[str],
    prompts: Sequence[Sequence[int]],
    answers: Sequence[Sequence[str]],
    max_length: int,
    whole: bool = False,
) -> list[list[list[int]]]:
    """Tokens of answers, each followed by the end-of-text token.

    Parameters
    ----------
    tokenizer : transformers tokenizer
        The model's.
    questions : sequence of str
        Questions, without the template.
    prompts : sequence of sequence of int
        Tokens of their prompts, from `encode_prompts`.
    answers : sequence of sequence of str
        The answers to each question.
    max_length : int
        Tokens that a prompt and its answer may have together. A longer answer is cut, without the
        end-of-text token: a model should not learn to stop there.
    whole : bool
        Whether an answer that would be cut is an error.

    Returns
    -------
    list of list of list of int
        For each question, for each of its answers, at least one token.

    Raises
    ------
    UserError
        If an answer spells a special token or, with ``whole``, is too long.
    """
    refuse_special_tokens(tokenizer, (answer for group in answers for answer in group))
    texts = [
        f"{prompt} {answer}"
        for prompt, group in zip(_prompt_texts(tokenizer, questions), answers, strict=True)
        for answer in group
    ]
    encoded = iter(_encode(tokenizer, texts))
    end = end_of_text(tokenizer)
    groups = []
    for prompt, group in zip(prompts, answers, strict=True):
        rows = []
        for answer in group:
            tokens = list(next(encoded))
            while tokens and tokens[-1] == end:
                tokens.pop()
            if tokens[: len(prompt)] == list(prompt):
                tokens = tokens[len(prompt) :]
            else:
                # The tokenizer merges across the boundary, but the prompt must have the same tokens
                # as in sampling.
                tokens = list(tokenizer(f" {answer}", add_special_tokens=False).input_ids)
            needed = len(prompt) + len(tokens) + 1
            if whole and needed > max_length:
                raise UserError(
                    f"max_length: {max_length} tokens are too few for the answer "
                    f"'{_one_line(answer)}', which takes {needed} with its prompt; raise max_length"
                )
            rows.append([*tokens, end][: max_length - len(prompt)])
        groups.append(rows)
    return groups
