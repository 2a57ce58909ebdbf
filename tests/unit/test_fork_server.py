"""Scripts as forks of a process that has imported packages."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from kduq.runtime.fork_server import JOB_NAME, ForkServer

#: One that is small, one that is not there, and one that takes a moment.
MODULES = ("colorsys", "no_such_module", "numpy")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks are used on Linux alone")


@pytest.fixture
def server():
    own = ForkServer(MODULES)
    yield own
    own.close()


@pytest.fixture
def run(server, tmp_path):
    """Run a program as a fork; its exit status."""

    def result(program, environment=None):
        script = tmp_path / "script.py"
        script.write_text(program, encoding="utf-8")
        job = server.fork(str(script), environment or {})
        status = job.wait()
        job.release()
        return status

    return result


def test_a_script_finds_what_it_would_find_as_a_process_of_its_own(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KDUQ_OF_THE_RUN", "seen")
    (tmp_path / "beside.py").write_text("VALUE = 7\n")
    program = """
import json, os, signal, sys
snakemake = "the object of the script"
import beside
seen = {
    "name": __name__,
    "main": vars(sys.modules["__main__"])["snakemake"],
    "file": __file__,
    "arguments": sys.argv,
    "folder": os.getcwd(),
    "beside": beside.VALUE,
    "run": os.environ["KDUQ_OF_THE_RUN"],
    "own": os.environ["OWN"],
    "threads": os.environ["OMP_NUM_THREADS"],
    "imported": [name in sys.modules for name in ("colorsys", "numpy", "kduq")],
    "beside_the_server": any(p.endswith("kduq/runtime") for p in sys.path),
    "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    "comm": open("/proc/self/comm").read().strip(),
}
json.dump(seen, open("seen.json", "w"))
"""
    assert run(program, {"OWN": "of the job"}) == 0
    script = str(tmp_path / "script.py")
    assert json.loads((tmp_path / "seen.json").read_text()) == {
        "name": "__main__",
        "main": "the object of the script",
        "file": script,
        "arguments": [script],
        "folder": str(tmp_path),
        "beside": 7,
        "run": "seen",
        "own": "of the job",
        "threads": "1",
        "imported": [True, True, False],
        "beside_the_server": False,
        "interrupt": True,
        "comm": JOB_NAME,
    }


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("", 0),
        ("raise SystemExit", 0),
        ("raise SystemExit(3)", 3),
        ("raise SystemExit('a reason')", 1),
        ("1 / 0", 1),
        ("a syntax error", 1),
        ("import os; os._exit(5)", 5),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -15),
    ],
)
def test_the_status_is_that_of_the_script(run, program, status):
    assert run(program) == status
    assert run("") == 0  # the next one is not touched by it


def test_one_does_not_change_what_the_next_one_finds(run):
    assert (
        run("import os, sys, colorsys; os.environ['X'] = 'x'; colorsys.y = 1; os.chdir('/')") == 0
    )
    assert (
        run("import os, colorsys; assert 'X' not in os.environ and not hasattr(colorsys, 'y')") == 0
    )


def test_jobs_run_beside_each_other_and_may_end_in_any_order(server, tmp_path):
    programs = {"slow.py": "import time; time.sleep(1); exit(4)", "fast.py": "exit(5)"}
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
    slow, fast = (server.fork(str(tmp_path / name), {}) for name in programs)
    assert fast.wait() == 5
    assert psutil.pid_exists(slow.pid)
    assert slow.wait() == 4
    for job in (slow, fast):
        assert psutil.Process(job.pid).status() == psutil.STATUS_ZOMBIE  # until it is released
        job.release()
    deadline = time.monotonic() + 5
    while any(psutil.pid_exists(job.pid) for job in (slow, fast)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_a_script_says_goes_where_the_process_writes(tmp_path):
    program = """
import sys
from kduq.runtime.fork_server import ForkServer
server = ForkServer(["colorsys"])
for script in sys.argv[1:]:
    job = server.fork(script, {})
    job.wait()
    job.release()
"""
    scripts = {"a.py": "print('said', flush=True)", "b.py": "exit('why')", "c.py": "1 / 0"}
    for name, text in scripts.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", program, *scripts],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "workflow")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "said\n"
    assert done.stderr.startswith("why\nTraceback")
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_a_script_waits_for_the_imports(tmp_path, monkeypatch):
    (tmp_path / "slow_to_import.py").write_text("import time; time.sleep(1)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    script = tmp_path / "script.py"
    script.write_text("import sys; exit(6 if 'slow_to_import' in sys.modules else 7)")
    server = ForkServer(["slow_to_import"])
    job = server.fork(str(script), {})
    assert job.wait() == 6
    job.release()
    server.close()


def test_no_script_waits_for_imports_that_end_the_process(tmp_path, monkeypatch):
    (tmp_path / "fatal.py").write_text("import os; os._exit(1)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    server = ForkServer(["fatal"])
    assert server.fork("no-script.py", {}) is None
    server.close()


def test_no_script_starts_after_an_interrupt_during_the_imports(tmp_path, monkeypatch):
    (tmp_path / "interrupted.py").write_text("import os; os.kill(os.getpid(), 2)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    server = ForkServer(["interrupted"])
    with pytest.raises(subprocess.CalledProcessError, match="SIGINT"):
        server.fork("no-script.py", {})
    server.close()


def test_scripts_of_a_process_that_ignores_interrupts_ignore_them(tmp_path):
    (tmp_path / "interrupted.py").write_text("import os; os.kill(os.getpid(), 2)")
    (tmp_path / "script.py").write_text(
        "import signal; exit(8 if signal.getsignal(signal.SIGINT) is signal.SIG_IGN else 9)"
    )
    program = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
from kduq.runtime.fork_server import ForkServer
server = ForkServer(["interrupted"])
exit(server.fork("script.py", {}).wait())
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{Path(__file__).parents[2] / 'workflow'}:{tmp_path}"},
        timeout=60,
        check=False,
    )
    assert done.returncode == 8


def test_when_the_process_that_forks_is_killed_its_jobs_fail_and_no_others_are_forked(
    server, tmp_path
):
    script = tmp_path / "script.py"
    script.write_text("import time; time.sleep(60)")
    job = server.fork(str(script), {})
    server._process.kill()
    assert job.wait() == -signal.SIGKILL
    job.release()
    assert server.fork(str(script), {}) is None
    child = psutil.Process(job.pid) if psutil.pid_exists(job.pid) else None
    assert child is None or child.wait(5) is None


def test_it_ends_with_the_process_that_started_it_however_that_ends(tmp_path):
    program = """
import time
from kduq.runtime.fork_server import ForkServer
server = ForkServer(["colorsys"])
print(server._process.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "workflow")},
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        number = int(starter.stdout.readline())
        forks = psutil.Process(number)
        starter.kill()
        deadline = time.monotonic() + 5
        while forks.is_running() and forks.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.01)
