"""Timings: benchmark files added up by stage and family."""

import pytest
from kduq.errors import UserError
from kduq.report import timings

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def stages(*names):
    """Artifacts, with the stages that their paths name."""
    return {f"{name}.parquet": name.split("/")[3] for name in names}


def test_every_artifact_has_the_benchmark_that_its_rule_writes():
    found = timings.planned(
        {
            "examples/students.parquet": "examples",
            "teachers/ols/students/teacher.parquet": "teacher",
            "teachers/gpt/faq/answers.parquet": "answers",
            "bootstrap/mlp/students/students/000000-000002.parquet": "students",
            "student_init/lm/faq/students/000000-000002.safetensors": "students",
            "variance_aware/lm/faq/answers/000000-000002-single.parquet": "answers",
            "student_init/lm/faq/embeddings/all.parquet": "embeddings",
            "bootstrap/mlp/students/estimates.parquet": "estimates",
            "figures/bootstrap.png": "figures",
            "figures/bootstrap.pdf": "figures",
            "estimates.parquet": "estimates",
        }
    )
    assert found == {
        "examples/students.tsv": "",
        "teacher/ols_students.tsv": "",
        "answers/gpt_faq.tsv": "",
        "students/bootstrap_mlp_students_000000-000002.tsv": "mlp",
        "students/student_init_lm_faq_000000-000002.tsv": "lm",
        "answers/variance_aware_lm_faq_000000-000002-single.tsv": "lm",
        "embeddings/student_init_lm_faq_all.tsv": "lm",
        "estimates/bootstrap_mlp_students.tsv": "mlp",
        "figures/bootstrap.tsv": "",
    }


def test_timings_add_up_by_stage_and_family(tmp_path):
    for name, wall, memory in (
        ("students/student_init_lm_faq_000000-000002", 3, 500),
        ("students/student_init_lm_faq_000002-000004", 5, 400),
        ("students/student_init_mlp_lm_set_000000-000002", 2, 90),
        ("students/student_init_mlp_lm_set_000002-000004", 70, 9000),
        ("claims", 0.1, "-"),
    ):
        file = tmp_path / f"{name}.tsv"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{HEAD}{wall}\t0:00:01\t{memory}\t1\t1\t1\t-\tNA\t50\t{wall / 2}\n")
    # The fourth shard is of a study that had more students.
    families = timings.planned(
        stages(
            "student_init/lm/faq/students/000000-000002",
            "student_init/lm/faq/students/000002-000004",
            "student_init/mlp/lm_set/students/000000-000002",
        )
    )
    rows = timings.summarise(timings.read(tmp_path, families))
    assert list(rows.itertuples(index=False, name=None))[:2] == [
        ("students", "lm", 2, 8, 4, 5, 500),
        ("students", "mlp", 1, 2, 1, 2, 90),
    ]
    assert rows["stage"].tolist() == ["students", "students", "claims"]
    page = timings.render("study", rows)
    assert (
        "<h1>10 seconds of work in 4 jobs, 5 seconds on two cores; the largest job took 0.5 GB"
        in page
    )
    assert '<td class="n">0.17</td>' in page
    assert "<td>language model</td>" in page
    assert '<td class="n" data-value="">–</td>' in page


def test_long_studies_are_told_in_minutes():
    total = {"wall": 2280.0, "jobs": 444, "memory": float("nan")}
    assert timings._answer(total) == "38 minutes of work in 444 jobs, 19 minutes on two cores."


def test_timings_need_benchmarks(tmp_path):
    with pytest.raises(UserError, match="no benchmark files; run the study first"):
        timings.read(tmp_path, {})
    (tmp_path / "x.tsv").write_text("")
    with pytest.raises(UserError, match=r"x\.tsv: not a benchmark file"):
        timings.read(tmp_path, {})
