"""Commands `snakemake ...` as forks of one process that has imported it, a second per command.

Each command still has a process, a folder, an environment and streams of its own, and reads the
Snakefile and the library of its checkout anew: the process that forks has imported packages that
are installed, and nothing of this project. So has the process of whose forks the jobs are: where a
run starts that one (`kduq.runtime.fork_server`), it gets a fork that waits since the command began,
before Snakemake had any threads.
"""

import atexit
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

#: What a plan imports of the installed packages.
IMPORTS = (
    *("snakemake.cli", "snakemake.api", "snakemake.workflow", "snakemake.script"),
    *("jinja2", "numpy", "pandas", "psutil", "pyarrow", "pydantic", "threadpoolctl", "tqdm"),
)


class _Waiting:
    """A fork that does what a fresh Python does with a program, once it is told which."""

    def __init__(self):
        self._own, other = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            self._own.close()
            status = 1
            try:
                words, handles, _, _ = socket.recv_fds(other, 2**16, 1)
                other.close()
                if not words:  # the run needs none
                    os._exit(0)
                name, *modules, environment = json.loads(words)
                os.environ.clear()
                os.environ.update(environment)
                sys.path.pop(0)  # as with the option -P
                sys.argv = [name, str(handles[0]), *modules]
                runpy.run_path(name, run_name="__main__")
                status = 0
            except BaseException:  # noqa: BLE001 (whatever it is, the fork ends here)
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(status)
        other.close()

    def begin(self, name, handle, modules, environment):
        words = json.dumps([name, *modules, environment]).encode()
        socket.send_fds(self._own, [words], [int(handle)])
        self._own.close()

    def wait(self):
        if self.pid:
            self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            self.pid = 0
        return self._status


def _hand_over(waiting):
    """Let the first command that runs the process of the jobs' forks be the waiting process."""

    class Popen(subprocess.Popen):
        def __new__(cls, command, *arguments, **options):
            if waiting and isinstance(command, list) and command[1] == "-P":
                process = waiting.pop()
                process.begin(*command[2:4], command[4:], options["env"])
                return process
            return super().__new__(cls)

    subprocess.Popen = Popen


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
    _hand_over([_Waiting()])
    sys.path[0] = request["folder"]
    sys.argv = [sys.modules["snakemake.cli"].__file__, *request["arguments"]]
    sys.modules["snakemake.cli"].main()


def serve(modules):
    """Fork at each line of the standard input; say which fork it is, and then how it has ended."""
    for name in (*IMPORTS, *modules):
        __import__(name)
    gc.collect()
    gc.freeze()
    for line in sys.stdin.buffer:
        number = os.fork()
        if number == 0:
            code = 1
            try:
                signal.signal(signal.SIGINT, signal.default_int_handler)
                _command(json.loads(line))
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
                if isinstance(end.code, str):
                    print(end.code, file=sys.stderr)
            except BaseException:  # noqa: BLE001 (whatever it is, the fork ends here)
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        print(number, flush=True)
        _, status = os.waitpid(number, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def environment():
    """What a command of a user would have: without the paths of these tests."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}


def _modules_of_jobs():
    """Modules that the jobs of any run import, read where the library may be imported."""
    from kduq.runtime import forking

    return [*forking._PACKAGES, *forking._TEXT_PACKAGES]


_SERVERS = []


def _server():
    if not _SERVERS:
        here = str(Path(__file__).parent)
        code = f"import sys; sys.path.append({here!r}); import forks; sys.path.pop(); "
        code += "forks.serve(sys.argv[1:])"
        process = subprocess.Popen(
            [sys.executable, "-c", code, *_modules_of_jobs()],
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


class Running:
    """A command that runs beside the test; one at a time.

    Parameters
    ----------
    arguments : sequence of str
        Its arguments.
    folder : Path
        Folder that it runs in.
    out, err : Path
        Files for its streams, which exist.
    """

    def __init__(self, arguments, folder, out, err):
        server = _server()
        request = {
            "arguments": arguments,
            "folder": str(folder),
            "environment": environment(),
            "out": str(out),
            "err": str(err),
        }
        print(json.dumps(request), file=server.stdin, flush=True)
        self.pid = int(server.stdout.readline())
        self._status = []
        self._reader = threading.Thread(
            target=lambda: self._status.append(int(server.stdout.readline()))
        )
        self._reader.start()

    def poll(self):
        """Its exit status, None while it runs."""
        return self._status[0] if self._status else None

    def wait(self):
        """Its exit status, once it has ended."""
        self._reader.join()
        return self._status[0]


def snakemake(arguments, folder):
    """Exit status and output of a command, as `subprocess.run` gives them."""
    with tempfile.TemporaryDirectory(prefix="kduq-streams-") as streams:
        out, err = Path(streams, "out"), Path(streams, "err")
        out.touch()
        err.touch()
        code = Running(arguments, folder, out, err).wait()
        return subprocess.CompletedProcess(
            ["snakemake", *arguments], code, out.read_text(), err.read_text()
        )
