"""Stage ``responses`` of language models: answers that students learn from."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kduq import seeds
from kduq.data.corpus import Corpus
from kduq.families.lm import sampling
from kduq.families.lm.text import Model, Tokenizer


def sample(
    model: Model,
    tokenizer: Tokenizer,
    settings: dict[str, Any],
    corpus: Corpus,
    progress: Callable[[int], object],
) -> dict[str, Any]:
    """Sample the answers of a block of replicates to the training prompts.

    Parameters
    ----------
    model, tokenizer
        The teacher.
    settings : dict
        experiment, family, dataset, seed, start and stop (range of replicates), temperatures
        (pairs of a temperature, 0 for the likeliest answer, and the number of answers), decoding
        and max_length.
    corpus : Corpus
        The prompts.
    progress : callable
        Told the number of answers after each replicate and temperature.

    Returns
    -------
    dict of str to array or list
        The columns of the artifact, by replicate, temperature, prompt and response. Within a
        replicate, response j of a prompt has the same random numbers at every temperature.
    """
    # A branch of its own: a student must not draw with its teacher's random numbers.
    path = (settings["experiment"], settings["family"], settings["dataset"], "responses")
    chosen = corpus.training
    questions = [corpus.prompts[i] for i in chosen]
    rows: list[tuple[int, float, sampling.Answer]] = []
    greedy: list[sampling.Answer] = []
    for replicate in range(settings["start"], settings["stop"]):
        seed = seeds.replicate_seed(settings["seed"], path, replicate)
        for temperature, number in settings["temperatures"]:
            if temperature == 0 and greedy:
                found = greedy  # the likeliest answer is every replicate's
            else:
                decoding = settings["decoding"] | {"temperature": temperature}
                found = sampling.answer(
                    model, tokenizer, questions, number, decoding, seed, settings["max_length"]
                )
            if temperature == 0:
                greedy = found
            rows += [(replicate, temperature, answer) for answer in found]
            progress(len(found))
    answers = [answer for _, _, answer in rows]
    return {
        "replicate": np.array([replicate for replicate, _, _ in rows], np.int32),
        "response": np.array([a.draw for a in answers], np.int32),
        "prompt_id": np.array([chosen[a.prompt] for a in answers], np.int32),
        "temperature": np.array([temperature for _, temperature, _ in rows]),
        "text": [a.text for a in answers],
        "n_tokens": np.array([a.n_tokens for a in answers], np.int32),
        "logprob": np.array([a.logprob for a in answers]),
        "finish_reason": [a.finish_reason for a in answers],
    }
