"""The claims as the report tells them: one verdict per claim, and its rows by statement."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import pandas as pd

from kduq.claims import CLAIMS
from kduq.claims.protocol import About
from kduq.data import corpora, datasets
from kduq.families import FAMILIES

#: Metrics whose number of students is that of a condition.
_COUNTED = ("inter_student_variance", "mutual_information")
_OTHER_DESIGNS = ("decomposition", "study_variance", "replication")
_METHODS = {
    "variance_weighting_oracle": "variance weighting by the oracle",
    "variance_weighting_prior": "variance weighting with the prior",
    "variance_weighting": "variance weighting",
    "multi_response": "multi-response",
    "pilot_mean": "the pilots’ mean",
}


class Form(NamedTuple):
    """A verdict on a claim: its name, how one and several claims have it, and its look."""

    name: str
    one: str
    several: str
    look: str


HOLDS = Form("Holds", "holds", "hold", "supported")
WHERE_DECIDED = Form(
    "Holds where decided", "holds where decided", "hold where decided", "supported"
)
NOT_EVERYWHERE = Form(
    "Does not hold everywhere",
    "does not hold everywhere",
    "do not hold everywhere",
    "contradicted",
)
NO_DIFFERENCE = Form(
    "No practical difference",
    "makes no practical difference",
    "make no practical difference",
    "contradicted",
)
DOES_NOT = Form("Does not hold", "does not hold", "do not hold", "contradicted")
UNDECIDED = Form("Undecided", "is undecided", "are undecided", "inconclusive")
ALGEBRA = Form("Follows from algebra", "follows from algebra", "follow from algebra", "supported")
#: All verdicts, in the order in which they are counted.
FORMS = (HOLDS, WHERE_DECIDED, NOT_EVERYWHERE, NO_DIFFERENCE, DOES_NOT, UNDECIDED, ALGEBRA)


@dataclass(frozen=True)
class Row:
    """One test of a claim.

    Attributes
    ----------
    anchor : str
        Identifier on the page.
    columns : mapping
        The row of ``claims.parquet``.
    """

    anchor: str
    columns: Mapping[str, Any]

    @property
    def where(self) -> str:
        """Data set and family, in words."""
        family = FAMILIES[self.columns["family"]].label
        return f"{dataset_label(self.columns['dataset'])}, {family}"

    @property
    def statistic(self) -> str:
        """What is estimated, without the word that it is over splits."""
        return in_words(self.columns["statistic"].removesuffix(", over splits"))

    @property
    def splits(self) -> int:
        """Number of splits, each with its own teacher; 0 for one."""
        number = self.columns["n_splits"]
        return 0 if number is None or math.isnan(number) else int(number)

    @property
    def size(self) -> str:
        """Number of splits, or of students."""
        if self.splits:
            return f"{self.splits} splits"
        return f"{self.columns['n_students']:,} students"

    @property
    def agreement(self) -> str:
        """On how many splits it holds, and the estimate on a new one; empty for one split."""
        if not self.splits:
            return ""
        left_out = int(self.columns["n_splits_left_out"])
        agreeing = int(self.columns["n_splits_agreeing"])
        low, high = (self.columns[f"prediction_{end}"] for end in ("low", "high"))
        skipped = f"{left_out} left out by the quality gate; " if left_out else ""
        return f"{skipped}{agreeing} of {self.splits} agree; on a new split {low:.3g} to {high:.3g}"

    @property
    def has_interval(self) -> bool:
        """Whether its limits are defined."""
        return math.isfinite(self.columns["ci_low"]) and math.isfinite(self.columns["ci_high"])

    @property
    def is_ratio(self) -> bool:
        """Whether its margin is a factor."""
        threshold, margin = self.columns["threshold"], self.columns["margin"]
        edges = [self.columns[f"boundary_{end}"] for end in ("low", "high")]
        known = [edge for edge in edges if edge is not None and math.isfinite(edge)]
        return all(not _close(abs(edge - threshold), margin) for edge in known)

    @property
    def band(self) -> tuple[float, float]:
        """Limits of what counts as no effect: a margin below and above the threshold."""
        threshold, margin = self.columns["threshold"], self.columns["margin"]
        if self.is_ratio:
            return threshold / margin, threshold * margin
        return threshold - margin, threshold + margin

    @property
    def shows_no_difference(self) -> bool:
        """Whether the interval is within what counts as no effect, where an effect is claimed."""
        low, high = self.band
        claimed = self.columns["relation"] in ("below", "above", "unequal")
        return claimed and low <= self.columns["ci_low"] and self.columns["ci_high"] <= high


@dataclass(frozen=True)
class Told:
    """A claim, as the report tells it.

    Attributes
    ----------
    number : int
        Its number.
    section : str
        Section of the paper.
    about : About
        What a reader is told.
    rows : tuple of Row
        Its tests, those over splits first.
    checks : tuple of Row
        Its checks: tests of our code that least squares leaves no other outcome.
    """

    number: int
    section: str
    about: About
    rows: tuple[Row, ...]
    checks: tuple[Row, ...]

    @cached_property
    def verdict(self) -> Form:
        """Its verdict; see `FORMS`."""
        verdicts = {row.columns["verdict"] for row in self.rows}
        if not verdicts:
            return ALGEBRA
        if "contradicted" not in verdicts:
            if "supported" not in verdicts:
                return UNDECIDED
            return HOLDS if len(verdicts) == 1 else WHERE_DECIDED
        if "supported" in verdicts:
            return NOT_EVERYWHERE
        against = [row for row in self.rows if row.columns["verdict"] == "contradicted"]
        return NO_DIFFERENCE if all(row.shows_no_difference for row in against) else DOES_NOT

    @property
    def is_open(self) -> bool:
        """Whether it is unfolded from the start: where a row contradicts it."""
        return self.verdict.look == "contradicted"

    @property
    def counts(self) -> str:
        """Numbers of its rows by verdict."""
        rows = self.rows or self.checks
        verdicts = [row.columns["verdict"] for row in rows]
        counted = {
            name: verdicts.count(name) for name in dict.fromkeys(sorted(verdicts, key=_rank))
        }
        kind = "" if self.rows else " checks"
        return ", ".join(f"{number} {name}" for name, number in counted.items()) + kind

    @property
    def squares(self) -> list[str]:
        """Verdicts of its rows, the supported first."""
        return sorted((row.columns["verdict"] for row in self.rows or self.checks), key=_rank)

    @property
    def leading(self) -> Row | None:
        """The row whose number stands for the claim: the first of those that decide it.

        Rows over splits come first, and within them the first data set.
        """
        rows = [row for row in self.rows or self.checks if math.isfinite(row.columns["estimate"])]
        deciding = [row for row in rows if row.columns["verdict"] == self.verdict.look]
        return next(iter(deciding or rows), None)

    @property
    def statements(self) -> Iterator[tuple[str, dict[str, list[Row]]]]:
        """Its rows by statement, and within a statement by statistic."""
        grouped: dict[str, dict[str, list[Row]]] = {}
        for row in self.rows or self.checks:
            statistics = grouped.setdefault(in_words(row.columns["statement"]), {})
            statistics.setdefault(_sentence(row.statistic), []).append(row)
        yield from grouped.items()


def told(claims: pd.DataFrame) -> list[Told]:
    """The claims of a study.

    Parameters
    ----------
    claims : pandas.DataFrame
        The table of that name.

    Returns
    -------
    list of Told
        In ascending order of their numbers.
    """
    every = []
    for number, table in claims.groupby("claim"):
        # Missing text is None, not NaN.
        reasons = [reason if isinstance(reason, str) else None for reason in table["reason"]]
        own = table.assign(reason=pd.Series(reasons, table.index, object)).to_dict("records")
        records = [{str(key): value for key, value in record.items()} for record in own]
        rows = [Row(f"claim-{number}-{i}", record) for i, record in enumerate(records, 1)]
        rows.sort(key=lambda row: not row.splits)
        known = [c.about for c in CLAIMS.values() if c.number == number and c.about]
        every.append(
            Told(
                int(str(number)),
                str(table["section"].iloc[0]),
                next(iter(known), About(in_words(str(table["statement"].iloc[0])))),
                tuple(row for row in rows if row.columns["kind"] != "check"),
                tuple(row for row in rows if row.columns["kind"] == "check"),
            )
        )
    return every


def counted(claims: list[Told]) -> str:
    """One sentence on how many claims have which verdict."""
    if not claims:
        return "This study tests no claim."
    if len(claims) == 1:
        return f"The only claim {claims[0].verdict.one}."
    numbers = [(form, sum(claim.verdict == form for claim in claims)) for form in FORMS]
    parts = [f"{n} {form.one if n == 1 else form.several}" for form, n in numbers if n]
    listed = ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + "".join(parts[-1:])
    return f"Of {len(claims)} claims {listed}."


def advice(claims: list[Told]) -> list[str]:
    """What to do, of the claims of which every statement holds, wherever it is decided."""
    given = []
    for claim in claims:
        statements = {row.columns["statement"] for row in claim.rows}
        holding = {
            row.columns["statement"] for row in claim.rows if row.columns["verdict"] == "supported"
        }
        if claim.about.advice and claim.verdict in (HOLDS, WHERE_DECIDED) and statements == holding:
            given.append(claim.about.advice)
    return given


def scope(claims: pd.DataFrame) -> str:
    """The families that claims are about, each with its number of data sets.

    Parameters
    ----------
    claims : pandas.DataFrame
        The table of that name.

    Returns
    -------
    str
        One sentence.
    """
    numbers = claims.groupby("family")["dataset"].nunique()
    parts = []
    for name, family in FAMILIES.items():
        if name in numbers:
            unit = "corpus" if family.lane == "text" else "data set"
            parts.append(f"{family.label} ({_counted(numbers[name], unit)})")
    return f"Students: {', '.join(parts)}." if parts else "No claim is tested by this study."


def certainty(claims: list[Told], estimates: pd.DataFrame) -> str:
    """What the verdicts rest on: splits, teachers and students.

    Parameters
    ----------
    claims : list of Told
        The claims.
    estimates : pandas.DataFrame
        The table of that name.

    Returns
    -------
    str
        Two sentences.
    """
    splits = [max((row.splits for row in c.rows or c.checks), default=0) for c in claims]
    replicated = sum(number > 0 for number in splits)
    if replicated:
        first = (
            f"Tested on up to {max(splits)} splits, each with its own teacher: {replicated} of "
            f"{len(claims)} claims. The others rest on one split and one teacher."
        )
    else:
        first = "One split and one teacher per data set: nothing here is about others."
    own = estimates[estimates["role"] == "student"]
    # Groups of inputs have fewer students, and designs of splits and levels have others.
    whole = own["metric"].isin(_COUNTED) & (own["group"] == "all")
    own = own[whole & ~own["experiment"].isin(_OTHER_DESIGNS)]
    parts = []
    for name, family in FAMILIES.items():
        sizes = own.loc[own["family"] == name, "n_students"]
        if len(sizes):
            low, high = int(sizes.min()), int(sizes.max())
            parts.append(f"{family.label} {low:,}" + (f" to {high:,}" if high > low else ""))
    return f"{first} Students per condition: {', '.join(parts)}." if parts else first


def dataset_label(name: str) -> str:
    """Name of a data set or corpus in words."""
    return datasets.label(corpora.label(name))


def in_words(text: str) -> str:
    """A statement with methods in words and a capital letter."""
    for name, words in _METHODS.items():
        text = text.replace(name, words)
    return _sentence(text)


def _counted(number: int, unit: str) -> str:
    plural = {"corpus": "corpora"}.get(unit, f"{unit}s")
    return f"{number} {unit if number == 1 else plural}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _rank(verdict: str) -> int:
    return ("supported", "contradicted", "inconclusive").index(verdict)


def _close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
