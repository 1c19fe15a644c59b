"""Starting and asking the processes of engines."""

from __future__ import annotations

import os
import pickle
import select
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent.parent
_THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
START_SECONDS = 300.0
"""How long importing a library may take."""


class EngineError(RuntimeError):
    """An engine's process failed, ended, or took too long."""


class Client:
    """An engine's process; it starts when it is first asked, and again after it was lost.

    Args:
        engine: Name in `ENGINES`.
        threads: Cores and threads that it may use.
        memory: Bytes of data that it may hold.
    """

    def __init__(self, engine: str, threads: int, memory: int) -> None:
        self.engine, self.threads, self.memory = engine, threads, memory
        self._process: subprocess.Popen[bytes] | None = None
        self._files = ExitStack()
        self._errors: Any = None

    def ask(self, method: str, *arguments: Any, seconds: float) -> Any:
        """Call a method of the `Worker`.

        Args:
            method: Its name.
            arguments: Its arguments.
            seconds: How long to wait; the process is ended after that.

        Raises:
            EngineError: Saying what happened.
        """
        process = self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            pickle.dump((method, arguments), process.stdin)
            process.stdin.flush()
            ready, _, _ = select.select([process.stdout], [], [], seconds)
            if not ready:
                self.stop()
                raise EngineError(f"stopped after {seconds:.0f} s")
            kind, answer = pickle.load(process.stdout)
        except (BrokenPipeError, EOFError, pickle.UnpicklingError) as error:
            raise EngineError(self._describe_end()) from error
        if kind == "failed":
            raise EngineError(answer)
        return answer

    def start(self, seconds: float = START_SECONDS) -> None:
        """Start the process, if it is not running, and import the engine's library.

        Raises:
            EngineError: The library cannot be imported, or that took too long.
        """
        if self._process is None:
            self.ask("load", seconds=seconds)

    def stop(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                assert stream is not None
                with suppress(BrokenPipeError):
                    stream.close()
            self._files.close()

    def _start(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            cores = sorted(os.sched_getaffinity(0))[: self.threads]
            environment = os.environ | dict.fromkeys(_THREAD_SETTINGS, str(self.threads))
            paths = [str(_FOLDER), os.environ.get("PYTHONPATH", "")]
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
            environment["JAX_PLATFORMS"] = "cpu"
            self._errors = self._files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
            command = [sys.executable, "-m", "peers.worker", self.engine, str(self.threads), str(self.memory)]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=environment,
                preexec_fn=lambda: os.sched_setaffinity(0, cores),
            )
        return self._process

    def _describe_end(self) -> str:
        """Why the process is gone, by its exit status and its last line of errors."""
        assert self._process is not None
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        self.stop()
        return f"its process ended with status {code}" + (f": {lines[-1][:200]}" if lines else "")
