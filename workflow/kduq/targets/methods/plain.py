"""Methods that need no comparison of answers: the first response, or all of them."""

from collections.abc import Sequence

from kduq.targets.methods.protocol import Answers, Method


def _first(answers: Answers) -> Sequence[Sequence[str]]:
    return [texts[:1] for texts in answers.texts]


def _all(answers: Answers) -> Sequence[Sequence[str]]:
    return answers.texts


SINGLE = Method("single", _first)
MULTI_RESPONSE = Method("multi_response", _all)
