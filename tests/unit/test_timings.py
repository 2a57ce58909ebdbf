"""Timings: benchmark files added up by stage and family."""

import pytest
from kduq import timings
from kduq.errors import UserError

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def test_timings_add_up_by_stage_and_family(tmp_path):
    for name, wall, memory in (
        ("students/student_init_lm_faq_000000-000002", 3, 500),
        ("students/student_init_lm_faq_000002-000004", 5, 400),
        ("students/student_init_mlp_lm_set_000000-000002", 2, 90),
        ("claims", 0.1, "-"),
    ):
        file = tmp_path / f"{name}.tsv"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{HEAD}{wall}\t0:00:01\t{memory}\t1\t1\t1\t-\tNA\t50\t{wall / 2}\n")
    rows = timings.summarise(timings.read(tmp_path, ["student_output", "student_init"]))
    assert list(rows.itertuples(index=False, name=None))[:2] == [
        ("students", "lm", 2, 8, 4, 5, 500),
        ("students", "mlp", 1, 2, 1, 2, 90),
    ]
    assert rows["stage"].tolist() == ["students", "students", "claims"]
    page = timings.render("study", rows)
    assert '<td class="n">10.1</td>' in page
    assert '<td class="n" data-value="">–</td>' in page


def test_timings_need_benchmarks(tmp_path):
    with pytest.raises(UserError, match="no benchmark files; run the study first"):
        timings.read(tmp_path, ["student_init"])
    (tmp_path / "x.tsv").write_text("")
    with pytest.raises(UserError, match=r"x\.tsv: not a benchmark file"):
        timings.read(tmp_path, ["student_init"])
