"""Commands `snakemake ...` as forks of one process that has imported it, a second per command.

Each command still has a process, a folder, an environment and streams of its own, and reads the
Snakefile and the library of its checkout anew: the process that forks has imported packages that
are installed, and nothing of this project. Jobs are started by Snakemake as ever.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

#: What a plan imports of the installed packages.
IMPORTS = (
    *("snakemake.cli", "snakemake.api", "snakemake.workflow", "snakemake.script"),
    *("jinja2", "numpy", "pandas", "psutil", "pyarrow", "pydantic", "threadpoolctl", "tqdm"),
)


def _command(request):
    """What `python -m snakemake ARGUMENTS` does, in this process."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    inputs = os.open(os.devnull, os.O_RDONLY)
    streams = [inputs, *(os.open(request[n], os.O_WRONLY) for n in ("out", "err"))]
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.path[0] = request["folder"]
    sys.argv = [sys.modules["snakemake.cli"].__file__, *request["arguments"]]
    sys.modules["snakemake.cli"].main()


def serve():
    """Fork at each line of the standard input; say how the fork has ended."""
    for name in IMPORTS:
        __import__(name)
    for line in sys.stdin.buffer:
        number = os.fork()
        if number == 0:
            code = 1
            try:
                signal.signal(signal.SIGINT, signal.default_int_handler)
                _command(json.loads(line))
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
            except BaseException:  # noqa: BLE001 (whatever it is, the fork ends here)
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(number, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def environment():
    """What a command of a user would have: without the paths of these tests."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}


_SERVERS = []


def _server():
    if not _SERVERS:
        here = str(Path(__file__).parent)
        code = f"import sys; sys.path.append({here!r}); import forks; sys.path.pop(); forks.serve()"
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
            cwd="/",
            text=True,
        )
        _SERVERS.append(process)
        # It ends at the end of its standard input.
        atexit.register(process.communicate)
    return _SERVERS[0]


def snakemake(arguments, folder):
    """Exit status and output of a command, as `subprocess.run` gives them."""
    server = _server()
    with tempfile.TemporaryDirectory(prefix="kduq-streams-") as streams:
        out, err = Path(streams, "out"), Path(streams, "err")
        out.touch()
        err.touch()
        request = {
            "arguments": arguments,
            "folder": str(folder),
            "environment": environment(),
            "out": str(out),
            "err": str(err),
        }
        print(json.dumps(request), file=server.stdin, flush=True)
        code = int(server.stdout.readline())
        return subprocess.CompletedProcess(
            ["snakemake", *arguments], code, out.read_text(), err.read_text()
        )
