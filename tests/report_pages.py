"""Reports filled with tables made by hand, hostile text of models among them."""

import io
from typing import Any

import matplotlib as mpl
import pandas as pd
from configurations import checked
from kduq.report import page as report
from kduq.report.settings import ReportSettings
from matplotlib.figure import Figure

#: What a model or a corpus may say. The page must show each as text.
HOSTILE = (
    "<script>window.broken = 1</script>",
    "</style></script></title></bdi></td></table><img src=x onerror='window.broken = 2'>",
    '" onmouseover="window.broken = 3" \' &amp; & <',
    "<!-- <svg onload=window.broken=4> ]]>",
    "{{ 7 * 7 }} {% raw %} \\u003c",
    "שלום \u202e after an override, and \u2067 an isolate, left open",
    "first line\nsecond line\r\n\n\n\n\n\tlast",
    "bell \x07, null \x00, escape \x1b[31m, next line \x85",
    "W" * 2000,
    "",
    " \n ",
)
#: Why models of two runs are not worth a verdict; what is said of their teacher they share.
GATE = ("A share of 0.3 is outside, nothing <i>learnt</i>.", "A share of 0.5 has converged.")
_TRUTH = ["<b>truth</b>", "plain"]


def answers_of(texts) -> list[dict[str, Any]]:
    """Sample answers as `report.sample_answers` gives them, in which everyone says the same."""
    found = {"shown": [(text, 1 + i) for i, text in enumerate(texts)], "others": 3, "known": _TRUTH}
    return [
        {
            "number": number,
            "prompt": texts[number % len(texts)],
            "split": split,
            "references": [(_TRUTH[0], 0.625), (_TRUTH[1], None)],
            "further": 2,
            "answers": [("Teacher, sampled", found), ("Student 0: k 2", found)],
        }
        for number, split in enumerate(("train", "test"))
    ]


def _figure() -> bytes:
    figure = Figure(figsize=(7.1, 3))
    figure.subplots().plot([0, 1])
    file = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "equal"}):
        figure.savefig(
            file, format="svg", metadata={"Description": "A line rises by <b>1</b>.", "Date": None}
        )
    return file.getvalue()


def _claims() -> pd.DataFrame:
    rows = [
        (1, "linear", "diabetes", 0.001, 0.0005, 0.0015, "supported", None, 1000),
        (1, "linear", "boston_housing", 12.5, 11.0, 14.0, "contradicted", None, 900),
        (3, "mlp", "diabetes", 2.25, 2.0, 2.5, "supported", None, 80),
        (3, "mlp", "boston_housing", -3.0, -4.0, -2.0, "supported", None, 400),
        (3, "linear", "boston_housing", float("nan"), *[float("nan")] * 2, "inconclusive", None, 0),
        (3, "linear", "wine", 1.0, 0.9, 1.05, "supported", None, 90),
        (9, "lm", "faq", 0.5, 0.25, 0.75, "inconclusive", GATE[0], 7),
        (9, "lm", "faq", 0.6, 0.35, 0.85, "inconclusive", " ".join(GATE), 8),
    ]
    names = ["claim", "family", "dataset", "estimate", "ci_low", "ci_high", "verdict", "reason"]
    table = pd.DataFrame(rows, columns=[*names, "n_students"])
    table["section"] = table["claim"].map({1: "4", 3: "5", 9: "7"})
    statement = "Averaging k responses divides the variance between students by k, at every noise"
    return table.assign(
        statement=statement,
        statistic="log-log slope of the variance, largest over k",
        threshold=1.1,
        margin=0.1,
        relation="not_above",
        boundary_low=float("nan"),
        boundary_high=1.2,
        n_splits=[20 if c == 3 else float("nan") for c in table["claim"]],
        n_splits_left_out=[0 if c == 3 else float("nan") for c in table["claim"]],
        n_splits_agreeing=[19 if c == 3 else float("nan") for c in table["claim"]],
        prediction_low=0.4,
        prediction_high=0.6,
        p_adjusted=[float("nan") if c == 9 else 1e-5 for c in table["claim"]],
        power=0.83,
        kind=["check" if name == "wine" else "claim" for name in table["dataset"]],
    )


def filled(samples: Any = None) -> str:
    """A report with figures, a failed gate and, unless given others, hostile answers."""
    settings = ReportSettings(study=checked(), templates={}, captions={}, skipped=["mnist"])
    estimates = pd.DataFrame(
        {
            "experiment": ["bootstrap", "bootstrap", "student_init"],
            "family": ["mlp", "linear", "mlp"],
            "dataset": "diabetes",
            "metric": ["diverged_count", "rank_deficient_count", "diverged_count"],
            "role": "student",
            "alpha": float("nan"),
            "group": "all",
            "estimate": [10.0, 9.0, 0.0],
            "se": float("nan"),
            "n_students": [400, 1000, 200],
        }
    )
    provenance = {
        "code": "0123456789abcdef",
        "versions": {"python": "3.11.0"},
        "inputs": {"claims.parquet": "0" * 64},
        "config": {"text": "</script><script>window.broken = 5</script>"},
    }
    names = ("teacher_noise", "student_init", "language_gallery")
    return report.render(
        settings,
        _claims(),
        estimates,
        dict.fromkeys(names, _figure()),
        provenance,
        answers_of(HOSTILE) if samples is None else samples,
    )
