"""A child process that stands in for us: signals go through to it, and its end becomes ours."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import FrameType

# The terminal sends these to the whole foreground group, so the child has them already.
_OF_TERMINAL = ("SIGINT", "SIGQUIT", "SIGTSTP")
_PASSED = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGCONT", "SIGWINCH", *_OF_TERMINAL)


class Child:
    """Starts the program. ``wait`` until it ends, then ``leave`` as it did.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, command: Sequence[str], *, argv0: str, environ: Mapping[str, str]) -> None:
        self._early: list[int] = []
        self._stopping = False
        self._process: subprocess.Popen[bytes] | None = None
        self._before = {}
        # Handlers, not SIG_IGN: a handler is reset in the child, an ignored signal stays ignored.
        # And what was ignored for us (nohup) stays so for the child.
        for name in _PASSED if os.name == "posix" else ("SIGINT",):
            number = getattr(signal, name)
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._pass)
        try:
            self._process = subprocess.Popen(
                [argv0, *command[1:]],
                executable=command[0],
                env=dict(environ),
                # descriptors that somebody made inheritable, as for socket activation, stay open
                close_fds=os.name != "posix",
            )
        except BaseException:
            self._restore()
            raise
        for number in self._early:
            self._process.send_signal(number)

    def _pass(self, number: int, frame: FrameType | None) -> None:
        if os.name != "posix":
            return
        if self._process is None:
            self._early.append(number)
        elif signal.Signals(number).name not in _OF_TERMINAL or not in_foreground():
            self._stopping = number == signal.SIGTSTP
            self._send(number)

    def _send(self, number: int) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self._process.pid, number)

    def wait(self) -> int:
        """The exit status; minus the number of the signal that killed it."""
        process = self._process
        assert process is not None
        if sys.platform == "win32":
            return process.wait()
        while True:
            _, status = os.waitpid(process.pid, os.WUNTRACED)
            if not os.WIFSTOPPED(status):
                process.returncode = os.waitstatus_to_exitcode(status)
                self._restore()
                return process.returncode
            # After ^Z the shell watches us and not the child, so we stop as well. The child goes
            # first, as it may ignore the signal or put the screen in order before.
            if self._stopping or in_foreground():
                self._stopping = False
                os.kill(os.getpid(), signal.SIGSTOP)
                self._send(signal.SIGCONT)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        self._before = {}

    def leave(self, status: int) -> int:
        """The status to exit with; does not return where a signal killed the child."""
        if status >= 0 or sys.platform == "win32":
            return status
        import resource

        sys.stdout.flush()
        sys.stderr.flush()
        # the child's core dump is the one of interest; ours would overwrite it
        with suppress(ValueError, OSError):
            _, hard = resource.getrlimit(resource.RLIMIT_CORE)
            resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
        with suppress(OSError, ValueError):  # SIGKILL has no handler to reset
            signal.signal(-status, signal.SIG_DFL)
        with suppress(OSError, ValueError):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [-status])
        os.kill(os.getpid(), -status)
        return 128 - status


def in_foreground() -> bool:
    """Whether we belong to the process group that the terminal sends its signals to."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
