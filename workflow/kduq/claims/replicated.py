"""Claims on many splits, each with its own teacher.

Their numbers and statements are those of the claims on one split. Estimates are means over splits,
with errors over splits, so rows or prompts, teacher and students are all random. Splits that do not
pass the quality gate are left out, and counted: the claims are about teachers that have learnt and
students that have converged, and neither is judged by what is tested.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from kduq.claims import reflection, remedies_on_text, suppression
from kduq.claims.evidence import GROUPS, Evidence
from kduq.claims.hypothesis import HypothesisTest, Kind, Relation
from kduq.claims.protocol import Claim, Margin
from kduq.claims.reasons import NOTHING_SEEN
from kduq.claims.splits import SplitEvidence
from kduq.statistics import meta_analysis

#: Margins of these claims, which they share with the claims on one split.
_RATIO = {"ratio_margin": Margin("A ratio between 1/margin and margin counts as 1.", above=1.0)}
_ENTROPY = {
    "entropy_margin": Margin(
        "A ratio of entropies between 1/margin and margin counts as kept.", above=1.0
    )
}


#: Margins that are ratios; of a change, which is a ratio less 1, it is that of a fall.
_OF_RATIOS = ("ratio_margin", "entropy_margin")
#: Distance of a ratio from 1 that is rounding.
_EQUAL = 1e-9
_NO_DRAWS = (
    NOTHING_SEEN
    + ": on every split, students of averaged responses are those of one response, since "
    "the teacher's responses never differ."
)
#: Returns why nothing can be seen in a group of test inputs of a run, from the margin; or None.
Nothing = Callable[[SplitEvidence, str, float], str | None]


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
    around : float
        Threshold of a statistic that is not tested on the logarithmic scale: 1 for a ratio, 0 for a
        difference or a relative change.
    nothing : callable, optional
        Returns why nothing can be seen, or None, from a run, a group of inputs and the margin.
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
    around: float = 1.0
    nothing: Nothing | None = None

    @property
    def threshold(self) -> float:
        """Threshold on the scale of the test."""
        return 0.0 if self.ratio else self.around

    def band(self, margin: float) -> float:
        """Margin on the scale of the test, from its value in the configuration."""
        if self.ratio:
            return float(np.log(margin))
        if self.margin not in _OF_RATIOS:
            return margin
        return margin - 1 if self.around == 1 else 1 - 1 / margin


def _no_room(metric: str, best: float) -> Nothing:
    """Where students of one answer are nearly perfect, no remedy can help."""

    def nothing(run: SplitEvidence, group: str, margin: float) -> str | None:
        for row in run.of_metric(f"replicated_{metric}", group):
            room = abs(float(row.points.mean()) - best)
            if row.condition["method"] == "single" and room < margin:
                return remedies_on_text.NO_ROOM.format(room, margin)
        return None

    return nothing


def _nothing_to_average(run: SplitEvidence, group: str, margin: float) -> str | None:
    """Where a teacher is so sure that its draws never differ, students of all labels are equal."""
    del margin
    for row in run.of_metric("replicated_variance_ratio_to_single", group):
        if row.condition["method"] == "averaging" and (np.abs(row.points - 1) < _EQUAL).all():
            return _NO_DRAWS
    return None


def _nothing_to_reflect(run: SplitEvidence, group: str, margin: float) -> str | None:
    """Where the teacher's entropy hardly differs between prompts, no student can reflect it."""
    del margin
    ceiling = run.of_teacher("entropy_rank_correlation_ceiling", group)
    return (
        reflection.NOTHING.format(max(ceiling, 0.0)) if ceiling < reflection.LEAST_CEILING else None
    )


def _remedies() -> Iterator[Replicated]:
    for metric, effect, relation, best in remedies_on_text.METRICS:
        name = metric.replace("_", " ")
        yield Replicated(
            9,
            "7",
            f"{{method}} {effect} compared with single",
            f"replicated_{metric}_difference",
            f"difference of {name} from single at k = {{k}}",
            relation,
            "answer_margin",
            f"{name} of {{method}} less single's, k = {{k}}",
            ratio=False,
            methods=remedies_on_text.REMEDIES,
            around=0.0,
            nothing=_no_room(metric, best),
        )


def _reflections() -> Iterator[Replicated]:
    of_method: tuple[tuple[str, str, Relation], ...] = (
        (
            "single",
            "A student of one answer per prompt does not reflect the teacher's uncertainty",
            "below",
        ),
        (
            "multi_response",
            "A student of {k} answers per prompt reflects the teacher's uncertainty",
            "above",
        ),
    )
    for method, statement, relation in of_method:
        for metric, words in reflection.RELATIONS.items():
            what = metric.removeprefix("entropy_").replace("_", " ")
            yield Replicated(
                10,
                "7",
                statement,
                f"replicated_{metric}",
                words,
                relation,
                "reflection_margin",
                f"{what} of entropies, k = {{k}}",
                ratio=False,
                methods=(method,),
                around=reflection.MIDDLE,
                nothing=_nothing_to_reflect,
            )


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
        nothing=_nothing_to_average,
    ),
    Replicated(
        12,
        "7",
        "{method} lowers inter-student variance compared with single",
        "replicated_inter_student_variance_change",
        "relative change of inter-student variance from single's, k = {k}",
        "below",
        "ratio_margin",
        "relative change of variance by {method}, k = {k}",
        ratio=False,
        methods=("averaging", "variance_weighting", "multi_response"),
        around=0.0,
    ),
    Replicated(
        8,
        "6",
        "Students of one answer per prompt vary less in their own answers",
        "replicated_intra_variance_ratio",
        "intra-student variance over the teacher's, students of one sampled answer",
        "below",
        "ratio_margin",
        "variance within a student over the teacher's",
        ratio=False,
        methods=("single",),
    ),
    Replicated(
        8,
        "6",
        "Students of one answer per prompt differ from each other",
        "replicated_inter_variance_ratio",
        "inter-student variance over the teacher's own, students of one sampled answer",
        "above",
        "share_margin",
        "variance between students over the teacher's",
        ratio=False,
        methods=("single",),
        around=0.0,
    ),
    *_remedies(),
    *_reflections(),
    Replicated(
        11,
        "6",
        "Intra- and inter-student variance add up to the teacher's variance",
        "replicated_total_variance_ratio",
        "sum of intra- and inter-student variance over the teacher's, students of one sampled "
        "answer",
        "equal",
        "entropy_margin",
        "sum of both over the teacher's",
        ratio=False,
        methods=("single",),
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
    margin = evidence.margins[part.margin]
    for group in run.groups():
        where = f", {GROUPS[group]}" if run.family.lane == "text" else ""
        nothing = part.nothing(run, group, margin) if part.nothing else None
        for row in run.of_metric(part.metric, group):
            if part.methods and row.condition["method"] not in part.methods:
                continue
            test = _test(
                (part.number, part.section, part.statement.format(**row.words)),
                run.names,
                part.words.format(**row.words) + where,
                row.on_log_scale() if part.ratio else (row.points, row.errors),
                part.relation,
                (part.threshold, part.band(margin)),
                row.n_students,
                evidence.confidence,
                ratio=part.ratio,
                kind="check" if part.is_algebra and run.family.closed_form else "claim",
                left_out=len(run.left_out),
            )
            yield replace(test, withheld=run.withheld or nothing)


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
    left_out: int = 0,
) -> HypothesisTest:
    """A test of a mean over splits, from the estimates per split on the scale of the test."""
    points, errors = pair
    pooled = meta_analysis.pool_alike(points, errors, confidence)
    n = len(points)
    test = HypothesisTest(
        *claim,
        *names,
        f"{statistic}, over splits",
        np.array([pooled.mean.value]),
        np.array([pooled.mean.se]),
        relation,
        *scale,
        n_students,
        ratio=ratio,
        degrees=max(n - 1, 1),
        kind=kind,
        splits=n,
        left_out=left_out,
        prediction=(pooled.prediction.low, pooled.prediction.high),
    )
    low, high = test.boundaries[0], test.boundaries[-1]
    agreeing = {
        "below": points < low,
        "above": points > high,
        "not_above": points < high,
        "equal": (low < points) & (points < high),
        "unequal": (points < low) | (points > high),
    }[relation]
    return replace(test, agreeing=int(agreeing.sum()))


def _claim(number: int, name: str, margins: Mapping[str, Margin]) -> Claim:
    section = next(part.section for part in REPLICATED if part.number == number)
    tests = _amplification if number == _EXCESS[0] else _tests_of(number)
    return Claim(f"replicated_{name}", number, section, ("replication",), tests, margins)


CLAIMS = (
    _claim(2, "amplification", _RATIO),
    _claim(3, "averaging", _RATIO),
    _claim(4, "variance_weighting", _RATIO),
    _claim(7, "entropy", _ENTROPY),
    _claim(8, "suppression", suppression.CLAIM.margins),
    _claim(9, "remedies", remedies_on_text.CLAIM.margins),
    _claim(10, "reflection", reflection.CLAIM.margins),
    _claim(11, "conservation", _ENTROPY),
    _claim(12, "stability", _RATIO),
)
