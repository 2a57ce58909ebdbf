"""The report from tables made by hand: what it says, what it escapes, what it leaves out."""

import html
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from configurations import checked
from kduq.artifacts.schemas import CONDITION
from kduq.claims.reasons import NOTHING_SEEN
from kduq.figures import FIGURES
from kduq.report import page as report
from kduq.study.study import Study
from markupsafe import escape
from report_pages import GATE, HOSTILE, answers_of, filled

ROOT = Path(__file__).parents[2]


def test_every_claim_has_a_line_and_every_row_an_anchor():
    page = filled()
    line = re.search(
        r'<tr><td class="verdict supported">Holds where decided</td>.*?</tr>', page, re.S
    )
    assert "3. Averaging k responses divides the variance" in line.group()
    assert "<strong>2.25 [2, 2.5]</strong>" in line.group()
    assert "2 supported, 1 inconclusive" in line.group()
    anchors = re.findall(r'<tr id="(claim-[\d-]+)">', page)
    assert sorted(anchors) == [
        f"claim-{number}" for number in ("1-1", "1-2", "3-1", "3-2", "3-3", "9-1", "9-2")
    ]
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"', page)) <= set(ids)
    assert page.index('id="gate"') < page.index('id="verdicts"')
    assert page.index('id="claim-9-2"') < page.index('id="all"') < page.index('id="checks"')


def test_the_summary_counts_claims_and_leaves_checks_out():
    lead = re.search(r'<p class="lead">(.*?)</p>', filled()).group(1)
    assert (
        lead == "Of 3 claims 1 holds where decided, 1 does not hold everywhere and 1 is undecided."
    )


def test_a_row_says_why_it_is_not_supported():
    row = re.search(r'<tr id="claim-9-1">.*?</tr>', filled(), re.S).group()
    assert str(escape(GATE[0])) in row
    every = filled()[filled().index('id="all"') :]
    assert "margin 0.1" in every
    assert "83 %" in every


def test_runs_without_diverged_students_are_not_listed():
    table = filled()[filled().index('id="counts"') :]
    rows = re.findall(r"<tr><td>(\w+)</td><td>(\w+)</td>", table[: table.index("</table>")])
    assert rows == [("bootstrap", "mlp"), ("bootstrap", "linear")]
    assert "Runs that had none are not listed." in table


def test_what_the_gate_says_of_several_runs_is_said_once():
    box = re.search(r'<section class="gate">.*?</section>', filled(), re.S).group()
    for sentence in GATE:
        assert box.count(f"<li>{escape(sentence)}</li>") == 1
    assert box.count("<strong>faq</strong>") == 1


def test_nothing_is_linked_but_the_paper_and_the_timings():
    found = set(re.findall(r'(?:href|src|action|srcset)="([^"#][^"]*)"', filled()))
    outside = {link for link in found if not link.startswith("data:image/svg+xml,")}
    assert outside == {"https://arxiv.org/abs/2601.18909", "timings.html"}


def test_equal_inputs_give_equal_bytes():
    assert filled() == filled()


def test_a_study_without_language_models_has_no_answers():
    assert 'id="answers"' in filled()
    assert 'id="answers"' not in filled(samples=[])


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_model_wrote_stays_text(text):
    page, plain = filled(answers_of([text])), filled(answers_of(["plain"]))
    # Not one tag more than with harmless text.
    tags = [re.findall(r"<(/?[a-zA-Z]+)", found) for found in (page, plain)]
    if text.strip():
        assert tags[0] == tags[1]
        assert str(escape(text[:20].translate(report._VISIBLE))) in page
    else:
        assert ("(white space)" if text else "(empty)") in page
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", page)


def test_long_answers_are_cut():
    assert f"{'x' * 300}…</bdi>" in filled(answers_of(["x" * 301]))
    assert f"{'x' * 300}</bdi>" in filled(answers_of(["x" * 300]))


def corpus(size):
    return pd.DataFrame(
        {
            "prompt_id": range(size),
            "split": ["train"] * (size - 4) + ["test"] * 4,
            "prompt": [f"prompt {i}" for i in range(size)],
            "references": [np.array(["rare", "frequent"], object)] * size,
            "probabilities": [np.array([0.25, 0.75])] * size,
        }
    )


def said(prompts, texts, **condition):
    rows = [(p, d, t) for p in prompts for d, t in texts]
    table = pd.DataFrame(rows, columns=["prompt_id", "draw", "text"])
    columns = dict.fromkeys(CONDITION, np.nan) | {"replicate": 0, "diverged": False} | condition
    return table.assign(**columns)


def test_samples_are_taught_and_held_out_counted_and_of_students_that_learnt():
    prompts = range(0, 20, 2)
    teacher = said(prompts, [(-1, "frequent"), (0, "rare"), (1, "frequent"), (2, "frequent")])
    students = pd.concat(
        [
            said(prompts, [(0, "a"), (1, "a")], k=1.0, replicate=0, diverged=True),
            said(prompts, [(0, f"b{i}") for i in range(7)], k=1.0, replicate=1),
            said(prompts, [(0, "c")], k=2.0, replicate=0),
        ]
    )
    samples = report.sample_answers(corpus(20), teacher, students)
    assert [s["split"] for s in samples] == ["train"] * 4 + ["test"] * 2
    assert all(s["number"] in prompts for s in samples)
    assert samples[0]["references"] == [("frequent", 0.75), ("rare", 0.25)]
    found = dict(samples[0]["answers"])
    assert list(found) == [
        "Teacher, greedy",
        "Teacher, sampled",
        "Student 1: k 1",
        "Student 0: k 2",
    ]
    assert found["Teacher, sampled"]["shown"] == [("frequent", 2), ("rare", 1)]
    assert [text for text, _ in found["Student 1: k 1"]["shown"]] == [f"b{i}" for i in range(5)]
    assert found["Student 1: k 1"]["others"] == 2


def test_an_answer_that_is_taught_wrongly_is_not_shown_as_right():
    examples = corpus(8)
    examples["probabilities"] = pd.Series([np.array([0.0, 1.0])] * 8, examples.index, object)
    samples = report.sample_answers(
        examples, said([0], [(-1, "rare")]), said([0], [(0, "frequent")])
    )
    assert samples[0]["references"] == [("frequent", 1.0)]
    assert all(group["known"] == ["frequent"] for _, group in samples[0]["answers"])


def test_a_corpus_that_knows_no_probabilities_shows_references_in_its_order():
    examples = corpus(5).assign(probabilities=None)
    samples = report.sample_answers(examples, said([0, 4], [(-1, "x")]), said([0, 4], [(0, "y")]))
    assert samples[0]["references"] == [("rare", None), ("frequent", None)]
    assert [who for who, _ in samples[0]["answers"]] == ["Teacher, greedy", "Student 0"]


def words(text):
    return " ".join(text.split())


def test_differences_are_those_of_the_documentation():
    text = (ROOT / "docs/differences.md").read_text(encoding="utf-8")
    _, section = text.split("# Differences from the paper\n")
    wanted = [
        words(re.sub(r"[`*]", "", item)) for item in re.split(r"^\d+\. ", section, flags=re.M)
    ]
    listed = re.search(r'id="differences-list">(.*?)</ol>', filled(), re.S).group(1)
    items = re.findall(r"<li>(.*?)</li>", listed, re.S)
    found = [words(html.unescape(re.sub(r"<[^>]*>", "", item))) for item in items]
    assert found == [item for item in wanted if item]
    assert len(found) == 10


def test_a_figure_without_a_caption_has_its_question(monkeypatch):
    figure = replace(FIGURES["teacher_noise"], name="errors", question="Do errors grow?")
    monkeypatch.setitem(FIGURES._entries, "errors", figure)
    planned = Study(checked()).targets["report.html"]
    assert planned.config["captions"]["errors"] == ""
    assert report._caption("errors") == ""
    assert report._caption("teacher_noise").startswith("Students of a noisy teacher.")
    assert (
        "<strong>How much of the noise reaches the students?</strong> A line rises by" in filled()
    )


def test_figures_depend_on_the_experiments_that_they_show():
    targets = Study(checked()).targets
    modules = targets["figures/language_uncertainty.png"].modules
    assert "kduq.experiments.student_init" in modules  # which says along what it is drawn
    assert "kduq.experiments.bootstrap" not in modules


def test_where_nothing_can_be_seen_the_gate_is_passed():
    claims = pd.DataFrame(
        {
            "dataset": ["a", "b"],
            "p_adjusted": float("nan"),
            "reason": [f"{NOTHING_SEEN}: all is perfect.", "A share of 0.3 is outside."],
        }
    )
    assert report._reasons(claims) == {"b": ["A share of 0.3 is outside."]}


def test_snakemakes_own_report_finds_the_caption_of_every_figure():
    # It includes them by name; figures of claims share one.
    names = [name for name, figure in FIGURES.items() if figure.in_report]
    assert [n for n in names if not (ROOT / f"workflow/report/{n}.rst").is_file()] == []
