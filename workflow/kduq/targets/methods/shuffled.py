"""Shuffled: all answers, permuted among prompts; a control that must fail."""

from collections.abc import Sequence

from kduq.targets.methods.protocol import Answers, Method


def _select(answers: Answers) -> Sequence[Sequence[str]]:
    return [answers.texts[i] for i in answers.permutation()]


METHOD = Method("shuffled", _select)
