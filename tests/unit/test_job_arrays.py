"""Tasks of a job array, as Snakemake's plugin for Slurm starts them."""

import base64
import json
import os
import subprocess
import sys
import zlib

import pytest
from checkouts import ROOT
from kduq.errors import UserError
from kduq.runtime.job_arrays import OPTION, check_limits, check_paths, check_rules, own_command


def payload(commands):
    packed = {task: zlib.compress(text.encode()).hex() for task, text in commands.items()}
    return base64.b64encode(json.dumps(packed).encode()).decode()


ARGUMENTS = ["snakemake", "--jobs", "1", f"{OPTION}={payload({'5': 'echo five', '6': 'echo six'})}"]


def task(number, first="4"):
    return {"SLURM_ARRAY_TASK_ID": number, "SLURM_ARRAY_TASK_MIN": first}


def test_each_task_but_the_first_has_a_command_of_its_own():
    assert own_command(ARGUMENTS, task("5")) == "echo five"
    assert own_command(ARGUMENTS, task("6")) == "echo six"
    assert own_command(ARGUMENTS, task("4")) is None


def test_outside_arrays_a_process_is_its_own():
    assert own_command(ARGUMENTS, {}) is None
    assert own_command(["snakemake", "all"], task("5")) is None


def test_a_task_becomes_the_process_of_its_own_job():
    code = "from kduq import job_arrays; job_arrays.become_own_task(); print('first')"
    said = [
        subprocess.run(
            [sys.executable, "-c", code, *ARGUMENTS[1:]],
            env={**os.environ, **task(number), "PYTHONPATH": str(ROOT / "workflow")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for number in ("4", "5")
    ]
    assert said == ["first\n", "five\n"]


@pytest.mark.parametrize("name", ["jobs", "cores", "max-jobs-per-timespan", "mem_mb"])
def test_limits_under_which_jobs_would_be_forgotten_are_refused(name):
    check_limits({"jobs": sys.maxsize, "cores": None}, 50, False)
    with pytest.raises(UserError, match=rf"slurm-array-jobs with {name} 7: .*jobs unlimited"):
        check_limits({"jobs": sys.maxsize, "cores": None, name: 7}, 50, False)


def test_settings_under_which_tasks_lack_their_commands_are_refused():
    with pytest.raises(UserError, match=r"slurm-array-limit: found 51; .*at most 50"):
        check_limits({}, 51, False)
    with pytest.raises(UserError, match="leave one of the two out"):
        check_limits({}, 50, True)


def test_a_name_that_is_no_rule_is_refused():
    rules = ["responses", "students"]
    for named in ("responses, students", "all", "students;responses", ""):
        check_rules(named, rules)
    with pytest.raises(UserError, match=r"found 'student'; allowed: rules \(responses, students\)"):
        check_rules("responses, student", rules)


@pytest.mark.parametrize("character", "'\"$`\\")
def test_a_path_that_a_shell_would_read_otherwise_is_refused(character):
    check_paths(["/home/some one/(a) study, 50 %", "/usr/bin/python"])
    with pytest.raises(UserError, match="switch job arrays off"):
        check_paths(["/usr/bin/python", f"/home/a{character}b"])
