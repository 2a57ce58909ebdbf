"""Claims on many splits, each with its own teacher.

Their numbers and statements are those of the claims on one split. Estimates are means over splits,
with errors over splits, so rows, teacher and students are all random.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from kduq.claims.evidence import Evidence
from kduq.claims.hypothesis import HypothesisTest, Kind, Relation
from kduq.claims.protocol import Claim, Margin
from kduq.claims.splits import SplitEvidence
from kduq.statistics import meta_analysis

#: Margins of these claims, which they share with the claims on one split.
_RATIO = {"ratio_margin": Margin("A ratio between 1/margin and margin counts as 1.", above=1.0)}
_ENTROPY = {
    "entropy_margin": Margin(
        "A ratio of entropies between 1/margin and margin counts as kept.", above=1.0
    )
}


@dataclass(frozen=True)
class Replicated:
    """A statistic over splits, and the claim that it is tested for.

    Attributes
    ----------
    number : int
        Number of the claim.
    section, statement : str
        Of the claim; the statement may contain ``{method}``.
    metric : str
        Name among the estimates.
    words : str
        What is estimated; it may contain ``{alpha}``, ``{k}`` and ``{method}``.
    relation : str
        See `kduq.claims.hypothesis.HypothesisTest`.
    margin : str
        Key of its margin in the configuration.
    label : str
        Name in figures.
    ratio : bool
        Whether it is a ratio, which is tested on the logarithmic scale with threshold 1; otherwise
        the margin of a ratio, less 1, is around 1.
    networks_only : bool
        Whether the claim is not about least squares.
    is_algebra : bool
        Whether least squares allows no other result, so that its row is a check of the code.
    methods : tuple of str
        Methods that the claim is about; empty for all.
    """

    number: int
    section: str
    statement: str
    metric: str
    words: str
    relation: Relation
    margin: str
    label: str
    ratio: bool = True
    networks_only: bool = False
    is_algebra: bool = True
    methods: tuple[str, ...] = ()

    @property
    def threshold(self) -> float:
        """Threshold on the scale of the test."""
        return 0.0 if self.ratio else 1.0

    def band(self, margin: float) -> float:
        """Margin on the scale of the test, from its value in the configuration."""
        return float(np.log(margin)) if self.ratio else margin - 1


REPLICATED = (
    Replicated(
        2,
        "4",
        "Inter-student variance of networks grows with the teacher's noise",
        "replicated_variance_ratio_to_noiseless",
        "ratio of inter-student variance at alpha = {alpha} to alpha = 0",
        "above",
        "ratio_margin",
        "variance at α = {alpha} over that at α = 0",
        networks_only=True,
    ),
    Replicated(
        3,
        "7",
        "Averaging k responses divides the variance due to teacher noise by k",
        "replicated_noise_times_k",
        "k times the variance over that of one response, both less the variance at alpha = 0, "
        "alpha = {alpha}, k = {k}",
        "equal",
        "ratio_margin",
        "k × variance due to noise, over that of one response, k = {k}",
        ratio=False,
    ),
    Replicated(
        4,
        "7",
        "{method} is no worse than averaging",
        "replicated_variance_ratio_to_averaging",
        "ratio of inter-student variance to averaging's, alpha = {alpha}, k = {k}",
        "not_above",
        "ratio_margin",
        "variance of {method} over averaging's",
        methods=("variance_weighting",),
    ),
    Replicated(
        4,
        "7",
        "{method} is no worse than averaging",
        "replicated_test_mse_ratio_to_averaging",
        "ratio of mean test MSE to averaging's, alpha = {alpha}, k = {k}",
        "not_above",
        "ratio_margin",
        "test MSE of {method} over averaging's",
        methods=("variance_weighting",),
    ),
    Replicated(
        7,
        "6",
        "Students of hard labels keep the teacher's predictive entropy",
        "replicated_entropy_ratio_to_teacher",
        "ratio of mean predictive entropy to the teacher's",
        "equal",
        "entropy_margin",
        "entropy of hard-label students over the teacher's",
        is_algebra=False,
    ),
    Replicated(
        12,
        "7",
        "{method} lowers inter-student variance compared with single",
        "replicated_variance_ratio_to_single",
        "ratio of inter-student variance to single's, k = {k}",
        "below",
        "ratio_margin",
        "variance of {method} over single's, k = {k}",
        methods=("averaging", "variance_weighting"),
    ),
)
_EXCESS = (
    2,
    "4",
    "Noise adds more inter-student variance to networks than to linear students",
)


def _tests_of(number: int) -> Callable[[Evidence], Iterator[HypothesisTest]]:
    def tests(evidence: Evidence) -> Iterator[HypothesisTest]:
        for part in REPLICATED:
            if part.number == number:
                for run in evidence.over_splits("replication"):
                    yield from _of_run(evidence, part, run)

    return tests


def _of_run(evidence: Evidence, part: Replicated, run: SplitEvidence) -> Iterator[HypothesisTest]:
    if part.networks_only and run.family.closed_form:
        return
    for row in run.of_metric(part.metric):
        if part.methods and row.condition["method"] not in part.methods:
            continue
        yield _test(
            (part.number, part.section, part.statement.format(**row.words)),
            run.names,
            part.words.format(**row.words),
            row.on_log_scale() if part.ratio else (row.points, row.errors),
            part.relation,
            (part.threshold, part.band(evidence.margins[part.margin])),
            row.n_students,
            evidence.confidence,
            ratio=part.ratio,
            kind="check" if part.is_algebra and run.family.closed_form else "claim",
        )


def _amplification(evidence: Evidence) -> Iterator[HypothesisTest]:
    """Growth of networks' variance, and its excess over that of least squares, split by split."""
    yield from _tests_of(2)(evidence)
    runs = list(evidence.over_splits("replication"))
    lines = {run.key.dataset: run for run in runs if run.family.closed_form}
    margin = float(np.log(evidence.margins["ratio_margin"]))
    for run in runs:
        line = lines.get(run.key.dataset)
        if line is None or run.family.closed_form:
            continue
        metric = "replicated_noise_variance"
        for own, other in zip(run.of_metric(metric), line.of_metric(metric), strict=True):
            # Families share their splits, and no noise; one may have more splits.
            shared = min(len(own.points), len(other.points))
            (network, error), (least, other_error) = own.on_log_scale(), other.on_log_scale()
            yield _test(
                _EXCESS,
                run.names,
                "ratio of the variance that noise adds to linear's, alpha = {alpha}".format(
                    **own.words
                ),
                (network[:shared] - least[:shared], np.hypot(error[:shared], other_error[:shared])),
                "above",
                (0.0, margin),
                own.n_students + other.n_students,
                evidence.confidence,
                ratio=True,
            )


def _test(
    claim: tuple[int, str, str],
    names: tuple[str, str],
    statistic: str,
    pair: tuple[np.ndarray, np.ndarray],
    relation: Relation,
    scale: tuple[float, float],
    n_students: int,
    confidence: float,
    ratio: bool,
    kind: Kind = "claim",
) -> HypothesisTest:
    """A test of a mean over splits, from the estimates per split on the scale of the test.

    The words of its statistic say on how many splits the estimate is on the claim's side of the
    boundary, and where the estimate on a further split would be.
    """
    points, errors = pair
    pooled = meta_analysis.pool_alike(points, errors, confidence)
    n = len(points)
    test = HypothesisTest(
        *claim,
        *names,
        statistic,
        np.array([pooled.mean.value]),
        np.array([pooled.mean.se]),
        relation,
        *scale,
        n_students,
        ratio=ratio,
        degrees=max(n - 1, 1),
        kind=kind,
        splits=n,
    )
    low, high = test.boundaries[0], test.boundaries[-1]
    agreeing = {
        "below": points < low,
        "above": points > high,
        "not_above": points < high,
        "equal": (low < points) & (points < high),
        "unequal": (points < low) | (points > high),
    }[relation]
    ahead = np.array([pooled.prediction.low, pooled.prediction.high])
    ahead = np.exp(ahead) if ratio else ahead
    words = (
        f"{statistic}, over {n} splits ({int(agreeing.sum())} of {n} agree; on a new split "
        f"{_number(ahead[0])} to {_number(ahead[1])})"
    )
    return replace(test, statistic=words)


def _number(value: float) -> str:
    return f"{value:.3g}"


def _claim(number: int, name: str, margins: dict[str, Margin]) -> Claim:
    section = next(part.section for part in REPLICATED if part.number == number)
    tests = _amplification if number == _EXCESS[0] else _tests_of(number)
    return Claim(f"replicated_{name}", number, section, ("replication",), tests, margins)


CLAIMS = (
    _claim(2, "amplification", _RATIO),
    _claim(3, "averaging", _RATIO),
    _claim(4, "variance_weighting", _RATIO),
    _claim(7, "entropy", _ENTROPY),
    _claim(12, "stability", _RATIO),
)
