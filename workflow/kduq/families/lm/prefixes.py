"""Texts that a model continues: with its cache, without it, or in compiled code."""

import inspect
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol

import numpy as np
import torch
import transformers

from kduq.families.lm import gpt2, probes
from kduq.families.lm.text import Model


class Prefixes(Protocol):
    """A model with distinct texts, prompts at first, that it continues."""

    def start(self, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        """Logits of the token after each prompt, shape (prompts, V)."""
        ...

    def extend(self, parents: np.ndarray, tokens: np.ndarray) -> torch.Tensor:
        """Replace the texts by continuations of some; logits of the token after each.

        Parameters
        ----------
        parents : ndarray of int of shape (B,)
            Number of the text that is continued, ascending.
        tokens : ndarray of int of shape (B,)
            The token by which.

        Returns
        -------
        Tensor of shape (B, V)
            Logits.
        """
        ...


class CachedPrefixes:
    """Any model with a cache; the prompts have equal length."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._past = transformers.DynamicCache(config=model.config)

    def start(self, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        """See `Prefixes.start`."""
        return self._next(torch.tensor(prompts, device=self._model.device))

    def extend(self, parents: np.ndarray, tokens: np.ndarray) -> torch.Tensor:
        """See `Prefixes.extend`."""
        device = self._model.device
        self._past.batch_select_indices(torch.from_numpy(parents).to(device))
        return self._next(torch.from_numpy(tokens).to(device)[:, None])

    def _next(self, tokens: torch.Tensor) -> torch.Tensor:
        accepted = inspect.signature(self._model.forward).parameters
        # The argument's name changed within version 5 of transformers.
        name = "cache" if "cache" in accepted else "past_key_values"
        arguments: dict[str, Any] = {name: self._past}
        if "logits_to_keep" in accepted:
            arguments["logits_to_keep"] = 1
        return self._model(input_ids=tokens, use_cache=True, **arguments).logits[:, -1].float()


class WholePrefixes:
    """Any model, which reads whole texts for each token; the prompts have equal length."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._texts = torch.empty(0)

    def start(self, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        """See `Prefixes.start`."""
        self._texts = torch.tensor(prompts, device=self._model.device)
        return probes.whole_logits(self._model, self._texts, keep=1)[:, 0]

    def extend(self, parents: np.ndarray, tokens: np.ndarray) -> torch.Tensor:
        """See `Prefixes.extend`."""
        own, new = (torch.from_numpy(x).to(self._model.device) for x in (parents, tokens))
        self._texts = torch.cat([self._texts[own], new[:, None]], dim=1)
        return probes.whole_logits(self._model, self._texts, keep=1)[:, 0]


class CompiledPrefixes:
    """A model that `kduq.families.lm.gpt2` runs; prompts of any length."""

    def __init__(self, model: Model, prompts: Sequence[Sequence[int]], new_tokens: int) -> None:
        capacity = sum(len(prompt) + new_tokens for prompt in prompts)
        self._context = gpt2.Context(model, capacity)
        self._visible: list[np.ndarray] = []

    def start(self, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        """See `Prefixes.start`."""
        ends = np.cumsum([len(prompt) for prompt in prompts])
        self._visible = [
            np.arange(end - len(prompt), end) for prompt, end in zip(prompts, ends, strict=True)
        ]
        positions = np.concatenate([np.arange(len(prompt)) for prompt in prompts])
        visible = [span[: i + 1] for span in self._visible for i in range(len(span))]
        tokens = np.concatenate([np.array(prompt) for prompt in prompts])
        return self._read(tokens, positions, visible, ends - 1)

    def extend(self, parents: np.ndarray, tokens: np.ndarray) -> torch.Tensor:
        """See `Prefixes.extend`."""
        size = self._context.size
        self._visible = [np.append(self._visible[p], size + i) for i, p in enumerate(parents)]
        positions = np.array([len(visible) - 1 for visible in self._visible])
        return self._read(tokens, positions, self._visible, np.arange(len(tokens)))

    def _read(
        self,
        tokens: np.ndarray,
        positions: np.ndarray,
        visible: Sequence[np.ndarray],
        queries: np.ndarray,
    ) -> torch.Tensor:
        counts = np.array([len(seen) for seen in visible])
        return torch.from_numpy(
            self._context.extend(tokens, positions, counts, np.concatenate(visible), queries)
        )


def shares_cache(
    model: Model, prompts: Sequence[Sequence[int]], new_tokens: int, max_length: int
) -> bool:
    """Whether a model's logits with the cache are those without, over an answer's whole length.

    The longest prompt is continued, and another text of its tokens: two texts become three, then
    two again, as draws part and end. The measurement is of these weights, and costs less than one
    draw of two questions.
    """
    prompt = max(prompts, key=len)
    other = [*prompt[1:], prompt[0]]
    if other == list(prompt):
        other[-1] = prompt[-1] - 1 if prompt[-1] else 1
    steps = min(new_tokens, max_length - len(prompt)) - 1
    if steps <= 0:
        return True
    texts = np.array([list(prompt), other])
    prefixes = CachedPrefixes(model)
    with torch.inference_mode():
        try:
            logits = [prefixes.start(texts.tolist())]
            for step in range(steps):
                parents = np.array([[0, 1, 1], [0, 2]][step] if step < 2 else [0, 1])
                new = texts[parents, step % len(prompt)][::-1].copy()
                texts = np.concatenate([texts[parents], new[:, None]], axis=1)
                logits.append(prefixes.extend(parents, new))
        # Each kind of cache has its own exception for what it cannot do.
        except Exception:  # noqa: BLE001
            return _without_cache(type(model).__name__)
        whole = probes.whole_logits(model, torch.from_numpy(texts).to(model.device))
    start = len(prompt) - 1
    # The first text is first at all times, and the last text is last.
    ends = [torch.stack([rows[0], rows[-1]]) for rows in logits]
    expected = [whole[[0, -1], start + i] for i in range(len(logits))]
    return not probes.differs(ends, expected) or _without_cache(type(model).__name__)


@cache
def _without_cache(model: str) -> bool:
    """Say once per process that a kind of model is sampled without a cache; False."""
    sys.stderr.write(
        f"{model}: its cache cannot be shared between texts; answers are sampled without it, "
        "which takes longer\n"
    )
    return False
