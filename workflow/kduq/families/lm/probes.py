"""What is required of a loaded model, measured by its logits before anything is trained.

A model that transformers loads as a causal one may read later tokens, as an encoder does without
``is_decoder``. Its losses would be small and its answers worthless, without an error anywhere.
"""

import copy
import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from kduq.errors import UserError
from kduq.families.lm import forward, packing, text
from kduq.families.lm.text import Model, Tokenizer

#: Largest difference between logits that should be equal, in units of their standard deviation
#: over the vocabulary. Rounding gives about 1e-6; another context gives 1e-3 or more.
TOLERANCE = 1e-4
#: Tokens of the text that a model is probed with.
_LENGTH = 12


def whole_logits(model: Model, tokens: torch.Tensor, keep: int = 0) -> torch.Tensor:
    """Logits of texts of equal length, computed without a cache.

    Parameters
    ----------
    model : transformers causal language model
        The model.
    tokens : Tensor of int64 of shape (B, T)
        The texts.
    keep : int
        Positions at the end whose logits are wanted; 0 for all.

    Returns
    -------
    Tensor of shape (B, keep, V), or (B, T, V) for all
        In single precision.
    """
    extra: dict[str, Any] = {}
    if keep and "logits_to_keep" in inspect.signature(model.forward).parameters:
        extra["logits_to_keep"] = keep
    mask = torch.ones_like(tokens)
    logits = model(input_ids=tokens, attention_mask=mask, use_cache=False, **extra).logits
    return logits[:, -keep:].float()


def spread(logits: torch.Tensor) -> float:
    """Standard deviation of logits over the vocabulary, averaged over all positions."""
    return float(logits.std(-1).mean())


def require_causal(model: Model, tokenizer: Tokenizer, source: str) -> None:
    """Refuse a model that is not a causal language model, whatever its class says.

    Parameters
    ----------
    model : transformers model
        A loaded model. One whose logits are not finite passes, since it cannot be measured; see
        `require_use`.
    tokenizer : transformers tokenizer
        Its tokenizer.
    source : str
        The model's name in messages.

    Raises
    ------
    UserError
        If the model cannot read a text, or if its logits depend on later tokens, on nothing but the
        last token, on padding, or on chance.
    """
    tokens = _tokens(model, tokenizer)
    with torch.inference_mode():
        try:
            logits = whole_logits(model, tokens)
        # Each architecture has its own exception for an input that it misses.
        except Exception as error:  # noqa: BLE001
            raise UserError(
                f"{source}: the model ({type(model).__name__}) cannot read a text "
                f"({_first_line(error)}); name a causal language model of text alone"
            ) from None
        if not torch.isfinite(logits).all():
            return
        if _moved(logits, whole_logits(model, tokens)) > TOLERANCE:
            raise UserError(
                f"{source}: the model gives other logits each time it reads the same text; name a "
                "model without random parts"
            )
        probed = model
        if not _reads_context(model, tokens):
            # Attention whose output is zero hides what it reads. Training would reveal it.
            probed = _stirred(model)
            if not _reads_context(probed, tokens):
                raise UserError(
                    f"{source}: the model's next token does not depend on the text before the last "
                    "token; name a causal language model that has been trained"
                )
        before = whole_logits(probed, tokens)[:, :-1]
        after = whole_logits(probed, _with_other(tokens, -1))[:, :-1]
        if _moved(before, after) > TOLERANCE:
            raise UserError(
                f"{source}: the model ({type(model).__name__}) reads later tokens, as an encoder "
                'does; set "is_decoder": true in its config.json if it was trained as a decoder, '
                "or name a causal language model"
            )
        _require_rows(model, tokens[0].tolist(), logits, source)


def _require_rows(model: Model, tokens: list[int], logits: torch.Tensor, source: str) -> None:
    """Refuse a model whose padded rows have other probabilities than the same text alone."""
    answers = [tokens[3:5], tokens[2:]]
    prompts = [tokens[:3], tokens[:2]]
    rows = [
        row
        for prompt, answer in zip(prompts, answers, strict=True)
        for row in packing.pack_separately(prompt, [answer], [1.0])
    ]
    together = forward.target_log_probabilities(model, rows)
    alone = torch.log_softmax(logits[0], -1)
    expected = torch.cat(
        [
            alone[len(prompt) - 1 + np.arange(len(answer)), answer]
            for prompt, answer in zip(prompts, answers, strict=True)
        ]
    )
    # The additional summand is the rounding of logarithms.
    if float((together - expected).abs().max()) > TOLERANCE * spread(logits) + 1e-5:
        raise UserError(
            f"{source}: padding changes the probabilities of the model ({type(model).__name__}), "
            "so that it cannot be trained on texts of several lengths; name another model"
        )


def require_use(
    model: Model, tokenizer: Tokenizer, source: str, max_length: int, trained: bool
) -> None:
    """Refuse a model that cannot read texts as long as its settings allow, or be trained.

    Parameters
    ----------
    model, tokenizer, source
        As in `require_causal`.
    max_length : int
        Tokens of a prompt and its answer together.
    trained : bool
        Whether the model is to be trained.

    Raises
    ------
    UserError
        If reading such a text or its gradient fails, or if logits are not finite.
    """
    tokens = _tokens(model, tokenizer, max_length)
    try:
        with torch.inference_mode():
            logits = whole_logits(model, tokens, keep=1)
    # Each architecture has its own exception for a position that it does not have.
    except Exception as error:  # noqa: BLE001
        raise UserError(
            f"{source}: the model cannot read a text of max_length = {max_length} tokens "
            f"({_first_line(error)}); lower max_length or name another model"
        ) from None
    if not torch.isfinite(logits).all():
        raise UserError(
            f"{source}: the model's logits are not finite numbers, so that its weights are damaged "
            "or its training diverged; restore its files or name another model"
        )
    if not trained:
        return
    embedding = model.get_input_embeddings().weight
    try:
        loss = torch.logsumexp(whole_logits(model, tokens[:, :_LENGTH]), -1).mean()
        # The gradient of one tensor passes through all of the model, and takes little memory.
        (gradient,) = torch.autograd.grad(loss, embedding)
        finite = bool(torch.isfinite(gradient).all())
    # Some architectures assert a mode in which their dropout would be active.
    except Exception:  # noqa: BLE001
        finite = False
    if not finite:
        raise UserError(
            f"{source}: the model ({type(model).__name__}) has no finite gradient, so that it "
            "cannot be trained; set steps to 0 or name another model"
        )


def _tokens(model: Model, tokenizer: Tokenizer, length: int | None = None) -> torch.Tensor:
    """A text of ordinary tokens, always the same, shape (1, length)."""
    special = text.special_tokens(tokenizer)
    ordinary = [i for i in range(len(tokenizer)) if i not in special] or [0]
    if length is None:
        positions = getattr(model.config, "max_position_embeddings", None)
        length = min(_LENGTH, positions) if positions and positions > 0 else _LENGTH
    drawn = np.random.default_rng(0).choice(np.array(ordinary), length)
    return torch.from_numpy(drawn).to(model.device)[None]


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:120]


def _with_other(tokens: torch.Tensor, position: int) -> torch.Tensor:
    """The text with another of its tokens at one position."""
    changed = tokens.clone()
    others = tokens[tokens != tokens[0, position]]
    changed[0, position] = others[0] if len(others) else 1 - tokens[0, position].clamp(max=1)
    return changed


def _moved(one: torch.Tensor, other: torch.Tensor) -> float:
    """Largest difference of logits in units of their spread."""
    difference = float((one - other).abs().max())
    scale = spread(one)
    return difference / scale if scale else (float("inf") if difference else 0.0)


def _reads_context(model: Model, tokens: torch.Tensor) -> bool:
    """Whether the last token but one moves the last logits, clearly more than rounding does."""
    before = whole_logits(model, tokens, keep=1)
    after = whole_logits(model, _with_other(tokens, -2), keep=1)
    return _moved(before, after) > 10 * TOLERANCE


def _stirred(model: Model) -> Model:
    """A copy whose parameters have noise, so that no part of it is switched off."""
    stirred = copy.deepcopy(model)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in stirred.parameters():
            scale = 0.5 / parameter.shape[-1] ** 0.5 if parameter.dim() > 1 else 0.1
            noise = torch.randn(parameter.shape, generator=random)
            parameter.add_(scale * noise.to(parameter.device))
    return stirred


def differs(logits: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> bool:
    """Whether logits differ from expected ones by more than rounding.

    Parameters
    ----------
    logits, expected : sequence of Tensor of shape (B, V)
        Pairs that should be equal.

    Returns
    -------
    bool
        At a tenfold tolerance, since keys and values from a cache are rounded otherwise. False
        where expected logits are not finite: a model that diverged has none.
    """
    moved = np.array([_moved(one, other) for one, other in zip(expected, logits, strict=True)])
    if not all(torch.isfinite(one).all() for one in expected):
        return False
    return not bool((moved <= 10 * TOLERANCE).all())
