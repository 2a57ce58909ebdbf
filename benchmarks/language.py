"""Language models: our training and sampling, and transformers' own with padded rows."""

import copy
from typing import Any

import numpy as np
import torch
from kduq import seeds
from kduq.examples import text as examples
from kduq.families.lm import models, sampling, text, training
from kduq.families.lm.settings import Decoding, LanguageModelSettings

from benchmarks.workloads import Workload

_SETTINGS = LanguageModelSettings(
    family="lm",
    layers=1,
    width=64,
    heads=4,
    vocabulary=2048,
    initial_scale=0.5,
    steps=100,
    learning_rate=0.008,
)
_DECODING = Decoding(top_k=0, top_p=1.0, repetition_penalty=1.0, max_new_tokens=24)


class _Pupil:
    """A student of the default study: one sampled answer to every training prompt."""

    def __init__(self, quick: bool) -> None:
        settings = examples.Settings(dataset="ambiguous_facts", questions=80, wordings=5)
        table = examples.prepare(settings)
        rng = np.random.default_rng(3)
        lines = [*table["prompt"], *(a for group in table["references"] for a in group)]
        self.model, self.tokenizer = models.load_or_create(_SETTINGS, lines, 3)
        taught = [i for i, split in enumerate(table["split"]) if split == "train"]
        self.pairs = [
            (
                table["prompt"][i],
                table["references"][i][rng.choice(len(p), p=p)],
            )
            for i in taught
            for p in [np.array(table["probabilities"][i])]
        ]
        self.settings = _SETTINGS.model_copy(update={"steps": 2 if quick else 100})
        encoded = text.encode_prompts(self.tokenizer, [q for q, _ in self.pairs], 64)
        self.prompt_tokens = float(np.mean([len(tokens) for tokens in encoded]))
        answers = text.encode_answers(
            self.tokenizer, [q for q, _ in self.pairs], encoded, [[a] for _, a in self.pairs], 64
        )
        self.answer_tokens = float(np.mean([len(group[0]) for group in answers]))
        self.width, self.vocabulary = _SETTINGS.width or 0, len(self.tokenizer)

    def trained(self, steps: int, job: int = 0) -> tuple[Any, np.ndarray]:
        """A copy of the model after some steps, and its losses."""
        model = copy.deepcopy(self.model)
        taught = training.examples_of(self.pairs)
        settings = self.settings.model_copy(update={"steps": steps})
        losses = training.train(model, self.tokenizer, taught, settings, job).loss
        return model, losses


def lm_training(quick: bool) -> Workload:
    """100 steps of 32 prompts with one answer each; results are losses."""
    pupil = _Pupil(quick)
    steps, size, length = pupil.settings.steps, _SETTINGS.batch_size, _SETTINGS.max_length

    def ours(job: int) -> np.ndarray:
        return pupil.trained(steps, job)[1][None]

    def textbook() -> np.ndarray:
        model, tokenizer = copy.deepcopy(pupil.model), pupil.tokenizer
        model.train()
        end = tokenizer.eos_token
        whole = [f"{text.prompt_text(q)} {a}{end}" for q, a in pupil.pairs]
        batch = tokenizer(whole, padding="max_length", max_length=length, return_tensors="pt")
        prompts = tokenizer([text.prompt_text(q) for q, _ in pupil.pairs]).input_ids
        batch = batch.to(model.device)
        labels = batch.input_ids.masked_fill(batch.attention_mask == 0, -100)
        for row, prompt in zip(labels, prompts, strict=True):
            row[: len(prompt)] = -100
        optimiser = torch.optim.AdamW(
            model.parameters(), lr=0.0, betas=(0.9, 0.99), weight_decay=0.0
        )
        stream, order, losses = seeds.generator(0, "batches"), np.empty(0, np.int64), []
        for rate in training.learning_rates(pupil.settings):
            while len(order) < size:
                order = np.concatenate([order, stream.permutation(len(whole))])
            rows, order = torch.from_numpy(order[:size]), order[size:]
            optimiser.param_groups[0]["lr"] = float(rate)
            optimiser.zero_grad()
            loss = model(
                input_ids=batch.input_ids[rows],
                attention_mask=batch.attention_mask[rows],
                labels=labels[rows],
            ).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            losses.append(float(loss.detach()))
        return np.array([losses])

    # A prompt's tokens are read as keys and values alone: 2 of the 12 width² weights of a layer.
    a_row = 2 * pupil.width**2 * (pupil.prompt_tokens - 1)
    a_row += (12 * pupil.width**2 + pupil.width * pupil.vocabulary) * pupil.answer_tokens
    operations = 6 * steps * size * a_row
    return Workload("lm training", ours, textbook, operations, 0.0, pupil.model.device)


def lm_sampling(quick: bool) -> Workload:
    """20 answers to each of 60 prompts by a trained student; results are tokens per answer."""
    pupil = _Pupil(quick)
    model, _ = pupil.trained(1 if quick else 300)
    questions = [question for question, _ in pupil.pairs[:: len(pupil.pairs) // 60]][:60]
    draws = 1 if quick else 20

    def ours(job: int) -> np.ndarray:
        answers = sampling.answer(model, pupil.tokenizer, questions, draws, _DECODING, 1.0, job, 64)
        return np.array([[a.n_tokens for a in answers]])

    def textbook() -> np.ndarray:
        tokenizer = copy.deepcopy(pupil.tokenizer)
        tokenizer.padding_side = "left"
        prompts = [text.prompt_text(question) for question in questions for _ in range(draws)]
        sizes: list[int] = []
        for start in range(0, len(prompts), _SETTINGS.batch_size):
            batch = tokenizer(
                prompts[start : start + _SETTINGS.batch_size], padding=True, return_tensors="pt"
            ).to(model.device)
            tokens = model.generate(
                **batch, do_sample=True, top_k=0, max_new_tokens=_DECODING.max_new_tokens
            )[:, batch.input_ids.shape[1] :]
            ended = (tokens == tokenizer.eos_token_id).long()
            lengths = torch.where(ended.any(1), ended.argmax(1) + 1, tokens.shape[1])
            sizes.extend(lengths.tolist())
            tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return np.array([sizes])

    reading = len(questions) * (pupil.prompt_tokens - 1) * 2 * pupil.width**2
    tokens = ours(0).sum()
    writing = tokens * (12 * pupil.width**2 + pupil.width * pupil.vocabulary)
    return Workload("lm sampling", ours, textbook, 2 * (reading + writing), 0.0, model.device)
