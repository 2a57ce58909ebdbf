"""What an entry script does with its log, its code and a user's mistake: real processes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kduq import artifacts
from kduq.artifacts import schemas
from kduq.artifacts.fingerprint import PACKAGE
from kduq.errors import UserError
from kduq.responses import tabular as responses
from kduq.runtime.script import InputDigests, Parameters
from kduq.runtime.snapshot import RunSnapshot
from kduq.study.target import Target

EXAMPLES = "results/tiny/examples/houses.parquet"
OUTPUT = "results/tiny/teacher_noise/linear/houses/responses/000000-000004.parquet"
RUN = {"experiment": "teacher_noise", "family": "linear", "dataset": "houses", "seed": 1}
TARGET = Target(
    "teacher_noise/linear/houses/responses/000000-000004.parquet",
    "responses",
    responses.Settings(**RUN, start=0, stop=4, responses=3, noisy=True),
    ("kduq.responses.tabular",),
    {"examples": ["examples/houses.parquet"]},
)
LINEAGE = {TARGET.path: "12" * 8, "examples/houses.parquet": "34" * 8}
PARAMETERS = RunSnapshot({}, {",".join((TARGET.entry, *TARGET.modules)): TARGET.code}, {})
PARAMETERS = PARAMETERS.parameters(TARGET, LINEAGE)
#: An entry script as Snakemake runs one, with what it puts before its first line.
SCRIPT = """
import sys
from pathlib import Path
from types import SimpleNamespace
from kduq.errors import UserError
from kduq.responses import tabular
from kduq.runtime import script


class Files(list):
    def items(self):
        return self.named.items()


def files(**named):
    found = Files(path for paths in named.values() for path in paths)
    found.named = named
    return found


snakemake = SimpleNamespace(
    log=[{log!r}],
    input=files(examples=[{examples!r}]),
    output=files(responses=[{output!r}]),
    threads=1,
    params=SimpleNamespace(job={parameters!r}),
)
snakemake.output.named = {{"responses": {output!r}}}


def main(snakemake):
    print("half way", snakemake.threads)
    {body}


{before}
script.{run}
"""


@pytest.fixture
def execute(tmp_path):
    rows = [("train", 1.0), ("test", 2.0), ("train", 3.0)]
    values = {"example": range(3), "split": [split for split, _ in rows]}
    values |= {"x": np.zeros((3, 2)), "y": [y for _, y in rows]}
    provenance = artifacts.provenance("examples", {}, "0" * 16, {}, "34" * 8)
    artifacts.write(tmp_path / EXAMPLES, "examples", values, provenance)

    def run(run="run_stage()", parameters=PARAMETERS, log="logs/x.log", body="pass", before=""):
        code = SCRIPT.format(
            run=run,
            parameters=parameters,
            log=log,
            body=body,
            before=before,
            examples=EXAMPLES,
            output=OUTPUT,
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={"PYTHONPATH": str(PACKAGE.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done, (tmp_path / log).read_text() if log == "logs/x.log" else ""

    return run


def changed(**values):
    return json.dumps(json.loads(PARAMETERS) | values)


def test_a_stage_writes_its_artifact_with_how_it_was_made(execute, tmp_path):
    done, log = execute()
    assert (done.returncode, done.stdout, done.stderr, log) == (0, "", "", "")
    found = artifacts.read(tmp_path / OUTPUT, "responses")
    expected = responses.sample(TARGET.settings, 2)
    np.testing.assert_array_equal(found.column("noise"), expected["noise"])
    assert found.table.column_names == list(schemas.columns("responses"))
    provenance = found.provenance
    assert provenance["config"] == TARGET.config
    assert provenance["code"] == TARGET.code
    assert provenance["lineage"] == "12" * 8
    assert list(provenance["inputs"]) == ["examples/houses.parquet"]
    assert provenance["seed"] == 1


def test_parameters_are_read_as_they_were_written():
    found = Parameters.parse(PARAMETERS)
    assert found.stage == "responses"
    assert responses.Settings.model_validate(found.config) == TARGET.settings
    assert found.inputs == {"examples/houses.parquet": "34" * 8}
    found.check_code("out")


def test_output_goes_to_the_log_alone(execute):
    done, log = execute("run(main)")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert log == "half way 1\n"


def test_what_is_for_the_terminal_goes_there_and_not_to_the_log(execute):
    done, log = execute("run(main)", body="script.print_to_terminal('for people')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "for people\n")
    assert log == "half way 1\n"


def test_code_that_changed_since_planning_stops_the_job(execute, tmp_path):
    done, log = execute(parameters=changed(code="0" * 16))
    line = f"{OUTPUT}: the code of kduq.responses.tabular changed after this job was planned; run"
    assert done.returncode == 1
    assert done.stderr.startswith(line)
    assert log == done.stderr
    assert not (tmp_path / OUTPUT).exists()


def test_an_input_that_was_made_otherwise_than_planned_stops_the_job(execute, tmp_path):
    done, log = execute(parameters=changed(inputs={"examples/houses.parquet": "56" * 8}))
    assert done.returncode == 1
    assert done.stderr.startswith(f"{EXAMPLES}: stale: built with different settings, code or")
    assert len(done.stderr.splitlines()) == 1
    assert log == done.stderr
    assert not (tmp_path / OUTPUT).exists()


def test_settings_of_another_shape_are_refused(execute, tmp_path):
    config = TARGET.config | {"unheard_of": 1}
    done, log = execute(parameters=changed(config=config))
    assert done.returncode == 1
    assert "unheard_of" in log
    assert not (tmp_path / OUTPUT).exists()


def test_a_users_mistake_is_one_line_in_log_and_terminal(execute):
    done, log = execute("run(main)", body="raise UserError('x.csv: no such file')")
    assert (done.returncode, done.stderr) == (1, "x.csv: no such file\n")
    assert log == "half way 1\nx.csv: no such file\n"


def test_other_errors_keep_their_traceback_in_the_log(execute):
    done, log = execute("run(main)", body="raise ZeroDivisionError")
    assert done.returncode == 1
    assert log.count("ZeroDivisionError") >= 1
    assert "Traceback" in log


#: A stage during which something happens to its input.
MEANWHILE = """
sample = tabular.sample


def change_and_sample(*args):
    Path({path!r}).{change}
    return sample(*args)


tabular.sample = change_and_sample
"""


@pytest.mark.parametrize("change", ["write_text('2')", "unlink()"])
def test_an_input_that_is_replaced_meanwhile_stops_the_job(execute, tmp_path, change):
    done, _ = execute(before=MEANWHILE.format(path=EXAMPLES, change=change))
    assert done.returncode == 1
    assert done.stderr.startswith(f"{EXAMPLES}: replaced while this job read it, so nothing is")
    assert not (tmp_path / OUTPUT).exists()


def test_digests_of_inputs_are_named_by_their_paths_in_the_study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("results/x").mkdir(parents=True)
    for path in ("results/x/a.parquet", "in.csv"):
        Path(path).write_text("1")
    digests = InputDigests(["results/x/a.parquet", "in.csv"])
    found = digests.by_name("results/x")
    assert set(found) == {"a.parquet", "in.csv"}
    assert len(found["in.csv"]) == 64
    assert len(set(found.values())) == 1
    Path("in.csv").write_text("2")
    with pytest.raises(UserError, match=r"in\.csv: replaced while this job read it"):
        digests.by_name("results/x")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("body", ["pass", "raise UserError('x.csv: no such file')"])
def test_a_log_on_a_full_disk_is_one_line_on_the_terminal(execute, body):
    done, _ = execute("run(main)", body=body, log="/dev/full")
    assert done.returncode == 1
    assert done.stderr.startswith("/dev/full: cannot be written (No space left on device); make")
    assert done.stderr.count("\n") == 1
