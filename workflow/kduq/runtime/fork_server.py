"""A process that has imported installed packages, of which jobs on this machine are forks.

A job of a small study computes for a tenth of a second, and imports packages for one to five. A
fork of a process that has imported them starts at once. It reads the library of this checkout anew:
the process that forks has imported installed packages alone, and nothing of this project.

The file is imported by Snakemake's process, where `ForkServer` is used, and it is the program of
the process that forks.
"""

import contextlib
import gc
import importlib
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NoReturn

#: Name of a forked process, as ``ps`` and ``top`` show it.
JOB_NAME = "kduq-job"


class ForkServer:
    """Snakemake's side of a process that forks.

    The first scripts wait for its imports: beside as many imports of their own, all would take
    longer. When it has ended, scripts start as ever. When Snakemake ends, however it ends, it ends
    too. Its forks do not.

    Parameters
    ----------
    modules : iterable of str
        Installed modules to import. A missing one is left out: only a job that needs it fails.

    Raises
    ------
    OSError
        If no process can be started.
    """

    def __init__(self, modules: Iterable[str]) -> None:
        own, other = socket.socketpair()
        with own, other:
            command = [sys.executable, "-P", __file__, str(other.fileno()), *modules]
            environment = os.environ | _thread_limits()
            self._process = subprocess.Popen(  # noqa: S603
                command, pass_fds=[other.fileno()], env=environment
            )
            self._connection = Connection(own.detach())
        self._lock = threading.Lock()
        self._jobs: list[ForkedJob] = []
        self._ready = threading.Event()
        self._ended = self._interrupted = False
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def fork(self, script: str, environment: Mapping[str, str]) -> "ForkedJob | None":
        """Start a script, once the modules are imported.

        Parameters
        ----------
        script : str
            Path of a Python program.
        environment : mapping
            Environment variables beside those of this process; see also `_thread_limits`.

        Returns
        -------
        ForkedJob or None
            None if the process that forks has ended.

        Raises
        ------
        subprocess.CalledProcessError
            If it was interrupted before it had imported its modules, as Snakemake was: the scripts
            that wait must not start after that.
        """
        self._ready.wait()
        if self._interrupted:
            raise subprocess.CalledProcessError(-signal.SIGINT, script)
        job = ForkedJob(self)
        with self._lock:
            if self._ended:
                return None
            self._jobs.append(job)
            number = len(self._jobs) - 1
        variables = dict(os.environ) | _thread_limits() | dict(environment)
        self.send(("fork", number, script, str(Path.cwd()), variables))
        return job if job.is_started() else None

    def send(self, message: tuple[Any, ...]) -> None:
        """Send a message to the process, unless it has ended."""
        with self._lock, contextlib.suppress(OSError):
            self._connection.send(message)

    def close(self) -> None:
        """End the process; jobs that are running are not ended."""
        # A closed file would not wake the thread that waits for messages.
        with contextlib.suppress(OSError), socket.socket(fileno=self._connection.fileno()) as own:
            try:
                own.shutdown(socket.SHUT_RDWR)
            finally:
                own.detach()
        self._process.wait()
        self._listener.join()
        self._connection.close()

    def _listen(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                kind, *values = self._connection.recv()
                if kind == "ready":
                    self._ready.set()
                elif kind == "started":
                    self._jobs[values[0]].start(values[1])
                else:
                    self._jobs[values[0]].end(values[1])
        with self._lock:
            self._ended = True
        if not self._ready.is_set():
            self._interrupted = self._process.wait() == -signal.SIGINT
        self._ready.set()
        for job in self._jobs:
            job.end(None)


class ForkedJob:
    """A script that runs as a fork.

    Attributes
    ----------
    pid : int
        Its process, which exists until `release` is called.
    """

    def __init__(self, server: ForkServer) -> None:
        self.pid = 0
        self._server = server
        self._started, self._finished = threading.Event(), threading.Event()
        self._status: int | None = None

    def is_started(self) -> bool:
        """Whether it has a process; false if the process that forks ended before."""
        self._started.wait()
        return self.pid != 0

    def start(self, pid: int) -> None:
        """Set the process."""
        self.pid = pid
        self._started.set()

    def end(self, status: int | None) -> None:
        """Set the exit status; None if the process that forks has ended and cannot say it."""
        if not self._finished.is_set():
            self._status = status
            self._started.set()
            self._finished.set()

    def wait(self) -> int:
        """Wait for the end of the job.

        Returns
        -------
        int
            Its exit status; of a job that a signal ended, minus the number of the signal. A job
            whose status nobody can say is killed.
        """
        self._finished.wait()
        if self._status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            return -signal.SIGKILL
        return self._status

    def release(self) -> None:
        """Forget the process, whose number the system may then use again."""
        self._server.send(("release", self.pid))


def _thread_limits() -> dict[str, str]:
    """Environment of a job of one thread, as Snakemake sets it for a script."""
    libraries = ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")
    return {f"{name}_NUM_THREADS": "1" for name in libraries} | {"VECLIB_MAXIMUM_THREADS": "1"}


def _serve(connection: Connection, modules: Iterable[str]) -> None:
    """Fork at each message, and tell the status of each fork; the end of messages is the end."""
    # A shell's background process ignores interrupts, and so do its own.
    interrupt = signal.getsignal(signal.SIGINT)
    if interrupt is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        for name in modules:
            # What is missing or broken is the error of the job that needs it.
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    # What is not collected is not written, and stays shared with the forks.
    gc.collect()
    gc.freeze()
    # A terminal interrupts Snakemake, its jobs and this process alike. From now on Snakemake
    # decides when it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection.send(("ready",))
    handles: dict[int, tuple[int, int]] = {}
    while True:
        for source in wait([connection, *handles]):
            if isinstance(source, int):
                number, pid = handles.pop(source)
                os.close(source)
                # The process stays until it is released: its resources are measured until then.
                ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
                assert ended is not None
                status = ended.si_status
                connection.send(
                    ("ended", number, status if ended.si_code == os.CLD_EXITED else -status)
                )
                continue
            kind, *values = connection.recv()
            if kind == "release":
                os.waitpid(values[0], 0)
                continue
            number, *program = values
            pid = os.fork()
            if pid == 0:
                for handle in handles:
                    os.close(handle)
                connection.close()
                signal.signal(signal.SIGINT, interrupt)
                _run(*program)
            handles[os.pidfd_open(pid)] = number, pid
            connection.send(("started", number, pid))


def _run(script: str, folder: str, environment: Mapping[str, str]) -> NoReturn:
    """Do what Python does with a script, in this process, which ends with it."""
    status = 1
    try:
        Path("/proc/self/comm").write_text(JOB_NAME, encoding="ascii")
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = [script]
        sys.path.insert(0, str(Path(script).parent.absolute()))
        runpy.run_path(script, run_name="__main__")
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    except BaseException:  # noqa: BLE001 (whatever it is, the process ends here)
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    with contextlib.suppress(EOFError, ConnectionError):
        _serve(Connection(int(sys.argv[1])), sys.argv[2:])
