"""Stage ``responses`` of text: the teacher's answers that students learn from."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kduq import seeds
from kduq.data.corpus import Corpus
from kduq.families.lm import sampling
from kduq.families.lm.text import Model, Tokenizer
from kduq.responses.settings import TextSettings as Settings
from kduq.stage import Inputs, Outputs, progress
from kduq.teacher import text as teacher

__all__ = ["Settings", "run", "sample"]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the answers of a shard; see `kduq.stage.Stage`."""
    corpus = Corpus.from_columns(inputs.read("examples").table.to_pydict())
    model, tokenizer = teacher.load(inputs)
    per_replicate = sum(number for _, number in settings.temperatures) * len(corpus.training)
    with progress(per_replicate * len(settings.replicates), "answer") as advance:
        outputs.write("responses", sample(model, tokenizer, settings, corpus, advance))


def sample(
    model: Model,
    tokenizer: Tokenizer,
    settings: Settings,
    corpus: Corpus,
    advance: Callable[[int], object],
) -> dict[str, Any]:
    """Sample the answers of a shard of replicates to the training prompts.

    Parameters
    ----------
    model, tokenizer
        The teacher.
    settings : Settings
        Settings of the shard.
    corpus : Corpus
        The prompts.
    advance : callable
        Called with the number of answers after each replicate and temperature.

    Returns
    -------
    dict of str to array or list
        The columns of the artifact, by replicate, temperature, prompt and response. Within a
        replicate, response j of a prompt has the same random numbers at every temperature.
    """
    # A separate branch of the tree: a student must not use its teacher's random numbers.
    path = (*settings.path, "responses")
    prompt_ids = corpus.training
    questions = [corpus.prompts[i] for i in prompt_ids]
    rows: list[tuple[int, float, sampling.Answer]] = []
    greedy: list[sampling.Answer] = []
    for replicate in settings.replicates:
        seed = seeds.replicate_seed(settings.seed, path, replicate)
        for temperature, number in settings.temperatures:
            if temperature == 0 and greedy:
                answers = greedy  # the same for every replicate
            else:
                answers = sampling.answer(
                    model,
                    tokenizer,
                    questions,
                    number,
                    settings.decoding,
                    temperature,
                    seed,
                    settings.max_length,
                )
            if temperature == 0:
                greedy = answers
            rows += [(replicate, temperature, answer) for answer in answers]
            advance(len(answers))
    return {
        "replicate": np.array([replicate for replicate, _, _ in rows], np.int32),
        "response": np.array([a.draw for _, _, a in rows], np.int32),
        "prompt_id": np.array([prompt_ids[a.prompt] for _, _, a in rows], np.int32),
        "temperature": np.array([temperature for _, temperature, _ in rows]),
        "text": [a.text for _, _, a in rows],
        "n_tokens": np.array([a.n_tokens for _, _, a in rows], np.int32),
        "logprob": np.array([a.logprob for _, _, a in rows]),
        "finish_reason": [a.finish_reason for _, _, a in rows],
    }
