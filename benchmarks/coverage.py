"""``make coverage``: how often intervals cover the truth of simulated studies, as docs/coverage.md.

A study has the sizes of the default study, and its seed follows from what is simulated.
"""

import argparse
from collections import defaultdict
from itertools import product

import numpy as np

from benchmarks import ROOT, crossed, repeated, simulated
from benchmarks.simulated import CONFIDENCE, Case, Result

#: Coverage that is aimed at.
AIM = (0.93, 0.97)
PAGE = ROOT / "docs/coverage.md"
_VARIANCE = "log scale, jackknife, skewness corrected"
_T = "Student's t, jackknife"
_DIFFERENCE = "modified large sample"
#: Estimators whose rule differs from that of the others of their case.
_RULES = {"systematic_noise": _T, "gini_intra": _T}
_LEVELS = "jackknife over levels"
_BOOTSTRAP = "normal, bootstrap over replicates"
_CROSSED = "Student's t, jackknives over students and prompts"
_FEW = "few students"
_TWICE = "variance that students and prompts share is counted by both jackknives"
_NEAR_FLOOR = "the variance due to noise, the denominator, is hardly larger than its error"
_EQUAL = "all answers are equally probable, so that disagreement is largest and its error nearly 0"
_OVER_SPLITS = "random effects, Student's t"
_AT_ZERO = "splits do not differ, and a standard deviation is at least 0"
_PER_FACTOR = "the error of an interaction is counted once per factor"
_EIGHT = (8, 8, 8)
_STUDIES = (12, 8, 8, 8)
_TOGETHER = "all inputs move together"


def _cases() -> list[Case]:
    cases = [
        Case("mean", "skewed test errors", str(n), _T, simulated.mean(n)) for n in (200, 400, 1000)
    ]
    for n in (10, 40):
        design = "pairs of a group, 30 % of all" if n > 10 else "pairs of a group, 60 % of all"
        share = 0.3 if n > 10 else 0.6
        cases.append(Case("pooled_mean", design, str(n), _T, simulated.group_mean(n, share)))
    cases += [
        Case("parameter_variance", "10 parameters", str(n), _T, simulated.pair_distances(n))
        for n in (200, 400)
    ]
    cases += [
        Case(
            "variance_given_initialisation",
            f"pairs, {directions} direction{'s' if directions > 1 else ''}",
            "400",
            _T,
            simulated.within_pairs(200, directions),
        )
        for directions in (1, 4)
    ]
    cases += [
        Case(
            "inter_student_variance",
            f"normal, {directions} direction{'s' if directions > 1 else ''}",
            str(n),
            _VARIANCE,
            simulated.variance(n, "normal", directions),
            wider=_FEW if n < 10 else "",
        )
        for n, directions in ((5, 1), (10, 1), (10, 20), (50, 1), (50, 20), (200, 1), (1000, 4))
    ]
    cases += [
        Case(
            "inter_student_variance",
            "heavy tails (t5), 1 direction",
            str(n),
            _VARIANCE,
            simulated.variance(n, "t5"),
        )
        for n in (10, 50)
    ]
    cases += [
        Case("test_mse_var", "lognormal", str(n), _VARIANCE, simulated.variance(n, "lognormal"))
        for n in (200, 1000)
    ]
    for n in (10, 20):
        for between, together, design in (
            (1.0, True, "20 draws, prompts move together"),
            (1.0, False, "20 draws, prompts independent"),
            (0.02, False, "20 draws, students nearly equal"),
        ):
            simulate = simulated.trace(n, 20, between, 3.0, together)
            few = _FEW if n == 10 else ""
            cases.append(Case("", design, str(n), _DIFFERENCE, simulate, 1000, few))
    for n in (10, 20, 50, 100):
        for shape, concentration, design in (
            ((0.98, 0.02), None, "sure students, an answer of 2 %"),
            ((0.5, 0.3, 0.15, 0.05), 3.0, "4 classes"),
            ((1 / 16,) * 16, None, "sure students, 16 answers"),
            ((1 / 64,) * 64, None, "sure students, 64 answers"),
        ):
            simulate = simulated.distributions(n, np.array(shape), concentration)
            wider = _EQUAL if len(set(shape)) == 1 else _FEW if n == 10 else ""
            cases.append(Case("", design, str(n), _VARIANCE, simulate, 1000, wider))
    sizes = "8 × 8 × 8"
    studies = "split, teacher, noise and parameters"
    for levels, variances, directions, nested, design, students in (
        (_EIGHT, simulated.THREE, 4, 0, "4 directions", sizes),
        (_EIGHT, simulated.THREE, 1, 0, _TOGETHER, sizes),
        (_EIGHT, simulated.DOMINATED, 1, 0, f"{_TOGETHER}, one factor dominates", sizes),
        ((5, 4, 4, 10), simulated.FOUR, 4, 0, "4 directions", "5 × 4 × 4 × 10"),
        (_STUDIES, simulated.STUDIES, 4, 2, f"{studies}, 4 directions", "12 × 8 × 8 × 8"),
        (_STUDIES, simulated.STUDIES, 1, 2, f"{studies}, {_TOGETHER}", "12 × 8 × 8 × 8"),
        ((12, 12), simulated.LEAST_SQUARES, 4, 1, "split and noise, 4 directions", "12 × 12"),
    ):
        simulate = simulated.factorial(levels, variances, directions, nested)
        cases.append(Case("components", design, students, _LEVELS, simulate, 500, _PER_FACTOR))
    for n, prompts in ((10, 30), (20, 20), (20, 30)):
        size = f"{n} × {prompts} prompts"
        for spreads, design in (
            ((1.0, 1.0, 1.0), "students and prompts differ"),
            ((1.0, 0.1, 0.3), "students differ"),
            ((0.1, 1.0, 0.3), "prompts differ"),
        ):
            cases.append(
                Case("two_way_mean", design, size, _CROSSED, crossed.mean(n, prompts, spreads))
            )
        for unequal, together, design in (
            (False, False, "equal prompts"),
            (True, False, "unequal prompts"),
            (True, True, "unequal prompts that move together"),
        ):
            simulate = crossed.variances(n, prompts, unequal, together)
            cases.append(Case("text", design, size, _CROSSED, simulate, 500, _TWICE))
        cases.append(
            Case("entropy_slope", "0.6", size, _CROSSED, crossed.slope(n, prompts), 500, _TWICE)
        )
        cases.append(
            Case("text", "3 answers", size, _CROSSED, crossed.gini(n, prompts), 500, _TWICE)
        )
    for noise in (0.3, 3.0):
        cases.append(
            Case(
                "k (V_k - V_0)/(V_1 - V_0)",
                f"noise {noise:g} times the floor",
                "200",
                _BOOTSTRAP,
                crossed.share_of_noise(200, noise),
                500,
                _NEAR_FLOOR if noise < 1 else "",
            )
        )
    cases += _repeated()
    for n in (200, 1000):
        simulate = simulated.resampled(n)
        cases.append(Case("bootstrap", "5 noise levels", str(n), _BOOTSTRAP, simulate, 500))
    return cases


def _repeated() -> list[Case]:
    """Cases of estimates that are pooled over independent repetitions."""
    cases = []
    for splits, students in ((20, 40), (10, 10)):
        for spread, design in ((0.0, "equal"), (0.1, "differ"), (0.4, "differ much")):
            simulate = repeated.ratios(splits, students, spread)
            size = f"{splits} splits of {students}"
            wider = "" if spread else _AT_ZERO
            name = f"splits are {design}" if design == "equal" else f"splits {design}"
            cases.append(Case("over splits", name, size, _OVER_SPLITS, simulate, 1000, wider))
    for n, spread in product((10, 20), (0.2, 0.6)):
        simulate = repeated.unequal(n, spread)
        design = f"known errors of 0.2 to 0.6, spread {spread:g}"
        cases.append(Case("pool", design, f"{n} repetitions", _OVER_SPLITS, simulate, 1000))
    return cases


CASES = _cases()


def part_of_design(name: str) -> str:
    """Kind of a component of variance, of which the table has one row each."""
    if name.startswith("share of "):
        return "shares"
    if name == "total" or name.startswith(("total_effect", "without")):
        return name.partition("_")[0] + (" effects" if name.startswith("total_") else "")
    if name.startswith("nested"):
        return "nested sums"
    if "_" in name or name == "residual":
        return "interactions"
    return "main effects" if name else ""


def measure(case: Case, studies: int) -> list[dict[str, str | float]]:
    """Coverage of the intervals of a case.

    Parameters
    ----------
    case : Case
        What is simulated.
    studies : int
        Number of studies.

    Returns
    -------
    list of dict
        One row per estimator, of components of variance one per kind: estimator; least and most,
        the coverage of the parts with the least and with the most; error, the binomial standard
        error at the nominal coverage; and width, the mean width over that of the exact interval
        (NaN where none is known). Coverage is NaN where no study has an interval; studies without
        one are left out otherwise.
    """
    found: dict[str, list[Result]] = defaultdict(list)
    for study in simulated.results(case, studies):
        for name, result in study.items():
            found[name].append(result)
    kinds: dict[str, list[list[Result]]] = defaultdict(list)
    for name, results in found.items():
        kind = part_of_design(name) if case.estimator == "components" else name
        kinds[kind].append([r for r in results if np.isfinite(r.low + r.high)])
    rows: list[dict[str, str | float]] = []
    for kind, parts in kinds.items():
        rates = [np.mean([r.low <= r.truth <= r.high for r in p]) if p else np.nan for p in parts]
        number = min(len(part) for part in parts)
        widths = [(r.high - r.low) / r.exact for r in parts[0]]
        rows.append(
            {
                "estimator": ", ".join(name for name in (case.estimator, kind) if name),
                "least": float(min(rates)),
                "most": float(max(rates)),
                "error": float(np.sqrt(CONFIDENCE * (1 - CONFIDENCE) / max(number, 1))),
                "width": float(np.median(widths)) if widths else np.nan,
            }
        )
    return rows


def page() -> str:
    """Simulate all cases; returns the text of docs/coverage.md."""
    nominal = f"{100 * CONFIDENCE:.0f} %"
    rows, notes = [], []
    for case in CASES:
        for row in measure(case, case.studies):
            least, most = float(row["least"]), float(row["most"])
            share = f"{100 * least:.1f}"
            share += "" if least == most else f" to {100 * most:.1f}"
            text = f"{share} ± {100 * float(row['error']):.1f} %"
            if np.isnan(least):
                text = "no interval"
            elif most > AIM[1] and case.wider:
                if case.wider not in notes:
                    notes.append(case.wider)
                text += f" ({notes.index(case.wider) + 1})"
            width = "" if np.isnan(float(row["width"])) else f"{float(row['width']):.2f}"
            name = str(row["estimator"])
            rule = "" if np.isnan(least) else _RULES.get(name, case.rule)
            cells = (name, case.design, case.students, nominal, text, width, rule)
            rows.append("| " + " | ".join(map(str, cells)) + " |")
    listed = "\n".join(f"{i}. Wider: {note}." for i, note in enumerate(notes, 1))
    return _PAGE.format(rows="\n".join(rows), notes=listed)


_PAGE = """# How often intervals cover the truth

Made by `make coverage`: studies of the sizes of the default study are simulated, and the intervals
of the library's own functions are compared with the truth. Coverage has its binomial standard
error. The aim is 93 to 97 %; numbers mark intervals that are wider, and why. Of components of
variance the least and the most of the factors, pairs or sums are given. Width is the median over
that of the exact interval, where one is known. The rules for variances are in
`kduq/statistics/intervals.py` (log scale) and `random_effects.py` (modified large sample), that for
factorial designs is in `components.py`, that for students and prompts in `two_way.py`, that over
splits in `meta_analysis.py`.

| estimator | simulated | students | nominal | coverage | width | rule |
| --- | --- | --- | --- | --- | --- | --- |
{rows}

{notes}

Mutual information has no interval for fewer than 50 students, nor where more than 2 % of the
students' probability is of answers that one student alone gives: the bias of unseen answers would
be larger than the standard error. Variances have none for fewer than five students, and means over
the pairs of a group none for fewer than ten students with a pair, unless all have equally many.
"""


def main() -> None:
    """Write docs/coverage.md."""
    argparse.ArgumentParser(prog="benchmarks.coverage", description=main.__doc__).parse_args()
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: written")


if __name__ == "__main__":
    main()
