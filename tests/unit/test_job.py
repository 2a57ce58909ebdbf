"""What an entry script does with its log, its code and a user's mistake."""

from types import SimpleNamespace

import pytest
from kduq import job
from kduq.errors import UserError
from kduq.study import Job


def prepared(tmp_path, parameters):
    return SimpleNamespace(
        log=[str(tmp_path / "logs" / "x.log")],
        input=[],
        output=[str(tmp_path / "out")],
        params=SimpleNamespace(job=parameters),
        threads=1,
    )


def plan():
    return Job("out", "responses", {"seed": 1}, ("kduq.responses",))


def test_code_that_changed_since_planning_stops_the_job(tmp_path, capfd):
    stale = plan().parameters.replace(plan().code, "0" * 16)
    with pytest.raises(SystemExit):
        job.run(lambda i, o, p: pytest.fail("main ran"), prepared(tmp_path, stale))
    line = "the code of kduq.responses changed after this job was planned"
    assert line in (tmp_path / "logs" / "x.log").read_text()
    assert line in capfd.readouterr().err


def test_a_users_mistake_is_one_line_in_log_and_terminal(tmp_path, capfd):
    def main(inputs, outputs, params):
        assert params.config == {"seed": 1}
        raise UserError("x.csv: no such file")

    with pytest.raises(SystemExit):
        job.run(main, prepared(tmp_path, plan().parameters))
    assert (tmp_path / "logs" / "x.log").read_text() == "x.csv: no such file\n"
    assert capfd.readouterr().err == "x.csv: no such file\n"


def test_output_goes_to_the_log_and_other_errors_keep_their_traceback(tmp_path, capfd):
    def main(inputs, outputs, params):
        print("half way")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        job.run(main, prepared(tmp_path, plan().parameters))
    log = (tmp_path / "logs" / "x.log").read_text()
    assert "half way" in log
    assert "ZeroDivisionError" in log
    assert capfd.readouterr().out == ""


def test_paths_below_a_study_are_understood():
    path = "results/tiny/bootstrap/mlp/houses/students/000000-000010.parquet"
    assert job.study_root(path) == "results/tiny"
    assert job.run_of(path) == ("bootstrap", "mlp", "houses")
