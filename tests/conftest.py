"""What every test has: strict mode, loopback only, a record of its own, and a clean spanloom."""

import ipaddress
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# before the first import of spanloom, as some of it is read at import
for name in list(os.environ):
    if name.startswith(("SPANLOOM_", "OTEL_", "OPENAI_")) and name != "SPANLOOM_CASSETTES":
        del os.environ[name]
os.environ["SPANLOOM_STRICT"] = "1"
# what a test runner or CI wants for its own output
for name in ("FORCE_COLOR", "NO_COLOR", "CLICOLOR_FORCE"):
    os.environ.pop(name, None)

# A runner started in the background by a shell ignores these, and so would every program that a test
# starts and sends them to.
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, default)

hypothesis.settings.register_profile("spanloom", deadline=None, print_blob=True)
hypothesis.settings.load_profile("spanloom")


def _is_local(address: Any) -> bool:
    if not isinstance(address, tuple):  # a path: AF_UNIX
        return True
    if address[0] in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(address[0]).is_loopback
    except ValueError:
        return False


def _only_local(method: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, address: Any, *rest: Any) -> Any:
        if not _is_local(address):
            pytest.fail(f"a test wants to connect to {address!r}; only loopback is open")
        return method(self, address, *rest)

    return guarded


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """Close sockets beyond loopback: no test depends on, or reaches, anything outside."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _only_local(getattr(socket.socket, name)))
        yield


@pytest.fixture(autouse=True)
def clean_spanloom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the test a record of its own, and take down whatever it started."""
    monkeypatch.setenv("SPANLOOM_DIR", str(tmp_path / ".spanloom"))
    yield
    if api := sys.modules.get("spanloom.api"):
        api.shutdown()
        api._last = None
    if budgets := sys.modules.get("spanloom.budgets"):
        budgets.forget()
    if errors := sys.modules.get("spanloom.errors"):
        errors._said.clear()
        errors.guard.faults = 0
