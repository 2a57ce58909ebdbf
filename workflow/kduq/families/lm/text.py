"""Questions and answers as text and as tokens."""

from collections.abc import Sequence
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
        If a prompt leaves no room for an answer of one token.
    """
    if not questions:
        return []
    end = end_of_text(tokenizer)
    encoded = tokenizer(_prompt_texts(tokenizer, questions)).input_ids
    prompts = []
    for question, tokens in zip(questions, encoded, strict=True):
        prompt = list(tokens)
        while len(prompt) > 1 and prompt[-1] == end:
            prompt.pop()
        if len(prompt) >= max_length:
            raise UserError(
                f"max_length: {max_length} tokens are too few for the question "
                f"'{question[:60]}', whose prompt has {len(prompt)}; raise max_length or shorten "
                "the question"
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
        If an answer contains the end-of-text token or, with ``whole``, is too long.
    """
    texts = [
        f"{prompt} {answer}"
        for prompt, group in zip(_prompt_texts(tokenizer, questions), answers, strict=True)
        for answer in group
    ]
    encoded = iter(tokenizer(texts).input_ids if texts else [])
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
            _refuse_end(tokenizer, answer, tokens, end)
            needed = len(prompt) + len(tokens) + 1
            if whole and needed > max_length:
                raise UserError(
                    f"max_length: {max_length} tokens are too few for the answer "
                    f"'{answer[:60]}', which takes {needed} with its prompt; raise max_length"
                )
            rows.append([*tokens, end][: max_length - len(prompt)])
        groups.append(rows)
    return groups


def _refuse_end(tokenizer: Tokenizer, text: str, tokens: Sequence[int], end: int) -> None:
    """Refuse a text that contains the end-of-text token."""
    if end in tokens:
        raise UserError(
            f"'{text[:60]}' contains the end-of-text token "
            f"{tokenizer.convert_ids_to_tokens(end)}; remove it from the corpus"
        )
