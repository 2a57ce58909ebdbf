"""The report of a real run, the timings beside it, and Snakemake's own report."""

import re
import zipfile

from checkouts import LANGUAGE, TINY
from kduq.figures import FIGURES

ALONE = {"report": 1, "reproduce-all": 1}


def test_the_report_shows_answers_and_the_timings_leave_it_alone(finished_language):
    checkout = finished_language
    tables = {"teacher_noise": TINY["experiments"]["teacher_noise"]}
    checkout.configure(LANGUAGE | {"experiments": LANGUAGE["experiments"] | tables})
    checkout.run("reproduce-all")
    folder = checkout.path / "results/language"
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count('class="answers"') == 6
    for who in ("Teacher, greedy", "Student 0: label source greedy", "sampled, temperature 1"):
        assert page.count(f"{who}</th>") >= 6, who
    assert 'id="claim-8-1"' in page
    assert "timings.html" in page

    done = checkout.run("timings")
    assert "results/language/timings.html" in done.stdout + done.stderr
    text = (folder / "timings.html").read_text(encoding="utf-8")
    row = '<th scope="row">students</th><td>language model</td><td class="n" data-value="6">6</td>'
    assert row in text
    for file in (folder / "benchmarks").rglob("*.tsv"):
        file.write_text(file.read_text().replace("0:00:0", "0:00:1"))
    assert checkout.planned() == {}
    checkout.run("audit")
    checkout.run("reproduce-all", "--forcerun", "report")
    assert (folder / "report.html").read_text(encoding="utf-8") == page

    checkout.run("--report", "report.zip")
    with zipfile.ZipFile(checkout.path / "report.zip") as archive:
        names = {name.rsplit("/", 1)[1] for name in archive.namelist()}
        index = archive.read("report/report.html").decode()
    assert {"report.html", "teacher_noise.png", "language_gallery.png"} <= names
    # Readers of a page have no use for tables that a browser cannot show.
    assert not {name for name in names if name.endswith(".parquet")}
    for caption in ("Students of a noisy teacher", "prompt by prompt", "Every claim of the paper"):
        assert caption in index
    shown = re.findall(r'"(Answers and verdicts|Claim \d\d: [^"]+|Further figures)"', index)
    assert min(shown) == "Answers and verdicts"
    assert any(name.startswith("Claim 01: The variance between linear students") for name in shown)
    assert FIGURES["language_gallery"].question in index

    checkout.edit("workflow/report/page.css", "font: 15px", "font: 16px")
    assert checkout.planned() == ALONE
