"""Intervals cover what they say: the smaller studies of docs/coverage.md, 500 of each."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks import coverage  # noqa: E402

STUDIES = 500
CHEAP = [
    case for case in coverage.CASES if case.studies > 500 or case.students == "20 × 30 prompts"
]


@pytest.mark.parametrize(
    "case", CHEAP, ids=lambda case: f"{case.estimator}-{case.design}-{case.students}"
)
def test_intervals_cover(case):
    for row in coverage.measure(case, STUDIES):
        if row["estimator"] == "mutual_information" and row["least"] != row["least"]:
            continue  # no interval
        # Two binomial standard errors of 500 intervals at 95 %, 0.02, on either side of the aim.
        assert row["least"] >= coverage.AIM[0] - 0.02, row
        assert case.wider or row["most"] <= coverage.AIM[1] + 0.02, row


def test_the_page_has_every_case_within_the_aim_or_says_why():
    """Of 500 studies or more; one binomial standard error below the aim."""
    text = (ROOT / "docs/coverage.md").read_text(encoding="utf-8")
    lines = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ")][2:]
    rows = [[cell.strip() for cell in cells] for cells in lines]
    assert {(row[1], row[2]) for row in rows} == {(c.design, c.students) for c in coverage.CASES}
    for row in rows:
        if row[4] == "no interval":
            assert row[0] == "mutual_information"
            continue
        bounds, error = row[4].split(" ± ")
        least, *most = map(float, bounds.split(" to "))
        assert least >= 93 - float(error.split()[0]), row
        assert max([least, *most]) <= 97.05 or "(" in error, row
