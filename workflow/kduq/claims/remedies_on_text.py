"""Claim 9: the remedies help language models."""

from collections.abc import Iterator

from kduq.claims.evidence import Evidence
from kduq.claims.hypothesis import HypothesisTest
from kduq.claims.protocol import Claim

#: Responses per prompt at which the remedies are judged, or the nearest number in the grid.
_K = 5
_REMEDIES = ("averaging", "variance_weighting")


def _tests(evidence: Evidence) -> Iterator[HypothesisTest]:
    for run in evidence.text("variance_aware"):
        # Two answers are equally near their mean, so averaging takes the first, as single does.
        ks = [k for k in run.grid("k") if k > 2]
        methods = run.grid("method")
        if not ks or "single" not in methods:
            continue
        k = min(ks, key=lambda value: abs(value - _K))
        for method in _REMEDIES:
            if method not in methods:
                continue
            for metric, words, above in (
                ("similarity_to_reference", "raises similarity to the reference", True),
                ("systematic_noise", "lowers systematic noise", False),
                ("hallucination_rate", "lowers hallucination", False),
            ):
                yield run.test(
                    (9, "7", f"{method} {words} compared with single"),
                    f"difference of {metric.replace('_', ' ')} from single at k = {k:g}",
                    f"{metric}_difference",
                    0.0,
                    {"method": method, "k": k},
                    above=above,
                )


CLAIM = Claim("remedies_on_text", 9, "7", ("variance_aware",), _tests)
