"""What an entry script does with its log, its code and a user's mistake: real processes."""

import subprocess
import sys
from pathlib import Path

import pytest
from kduq.artifacts.fingerprint import PACKAGE
from kduq.runtime import script as job
from kduq.runtime.snapshot import RunSnapshot
from kduq.study import Job

PLAN = Job("out", "responses", {"seed": 1}, ("kduq.responses.tabular",))
PARAMETERS = RunSnapshot({}, {"kduq.responses.tabular": PLAN.code}, {}).parameters(
    PLAN, {"out": "12" * 8}
)
SCRIPT = """
from types import SimpleNamespace
from kduq.runtime import script as job
from kduq.errors import UserError

def main(inputs, output, params):
    print("half way", params.config)
{body}

job.run(main, SimpleNamespace(
    log=[{log!r}], input=[], output=["out"], threads=1,
    params=SimpleNamespace(job={parameters!r}),
))
"""


@pytest.fixture
def execute(tmp_path):
    def run(body, parameters=PARAMETERS, log="logs/x.log"):
        script = SCRIPT.format(body=f"    {body}", parameters=parameters, log=log)
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env={"PYTHONPATH": str(PACKAGE.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done, (tmp_path / log).read_text() if log == "logs/x.log" else ""

    return run


def test_output_goes_to_the_log_alone(execute):
    done, log = execute("pass")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert log == "half way {'seed': 1}\n"


def test_code_that_changed_since_planning_stops_the_job(execute):
    done, log = execute("pass", PARAMETERS.replace(PLAN.code, "0" * 16))
    line = (
        "out: the code of kduq.responses.tabular changed after this job was planned; run the same"
    )
    assert done.returncode == 1
    assert done.stderr.startswith(line)
    assert log == done.stderr


def test_a_users_mistake_is_one_line_in_log_and_terminal(execute):
    done, log = execute("raise UserError('x.csv: no such file')")
    assert (done.returncode, done.stderr) == (1, "x.csv: no such file\n")
    assert log.endswith("}\nx.csv: no such file\n")


def test_other_errors_keep_their_traceback_in_the_log(execute):
    done, log = execute("raise ZeroDivisionError")
    assert done.returncode == 1
    assert log.count("ZeroDivisionError") >= 1
    assert "Traceback" in log


def test_an_input_that_is_replaced_meanwhile_stops_the_job(execute, tmp_path):
    (tmp_path / "in.csv").write_text("1")
    watched = "params.look_at(['in.csv']); "
    done, _ = execute(f"{watched}print(params.made_by(['in.csv'], 'results/x')['inputs'])")
    assert done.returncode == 0
    for change in ("write_text('2')", "unlink()"):
        body = f"from pathlib import Path; {watched}Path('in.csv').{change}; "
        done, _ = execute(body + "params.made_by(['in.csv'], 'results/x')")
        assert done.returncode == 1
        assert done.stderr.startswith("in.csv: replaced while this job read it, so nothing is")
        (tmp_path / "in.csv").write_text("1")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("body", ["pass", "raise UserError('x.csv: no such file')"])
def test_a_log_on_a_full_disk_is_one_line_on_the_terminal(execute, body):
    done, _ = execute(body, log="/dev/full")
    assert done.returncode == 1
    assert done.stderr.startswith("/dev/full: cannot be written (No space left on device); make")
    assert done.stderr.count("\n") == 1


def test_paths_below_a_study_are_understood():
    path = "results/tiny/bootstrap/mlp/houses/students/000000-000010.parquet"
    assert job.study_root(path) == "results/tiny"
    assert job.run_of(path) == ("bootstrap", "mlp", "houses")
