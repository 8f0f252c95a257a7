"""The local backend: files, whole lines, full disks, forks, blobs."""

import errno
import hashlib
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from spanloom.backends.local import LocalBackend
from spanloom.backends.memory import MemoryBackend
from spanloom.errors import Refused
from spanloom.record import Record, decode
from spanloom.settings import Settings
from spanloom.types import Blob, LLMCall, Span, Task

NOON = 1_795_219_200.0 + 43_200  # of 2026-11-21


def a_span(number: int, text: str = "", **changes: Any) -> Span:
    return structs.replace(
        Span(
            trace_id=1,
            span_id=number,
            name=f"n{number}",
            detail=Task(input=text),
            integration="manual",
            start_ns=number,
            end_ns=number + 1,
        ),
        **changes,
    )


def spans(*numbers: int, size: int = 0) -> list[Span]:
    return [a_span(number, "x" * size) for number in numbers]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "project" / ".spanloom"


@pytest.fixture
def backend(folder: Path) -> LocalBackend:
    return LocalBackend(Settings(dir=str(folder)), clock=lambda: NOON)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("traces/*/*.jsonl"), key=lambda path: path.stat().st_mtime_ns)


def records(folder: Path) -> list[Record]:
    """Of every file; fails on any line that is not whole."""
    read = []
    for path in files(folder):
        data = path.read_bytes()
        assert data == b"" or data.endswith(b"\n")
        read += [decode(line) for line in data.splitlines()]
    return read


def numbers(folder: Path) -> list[int]:
    return sorted(int(record.span_id, 16) for record in records(folder))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class Disk:
    """Stands in for ``os.write``: takes ``room`` bytes, then fails. Faults no real disk has on call."""

    def __init__(self, room: int, error: int = errno.ENOSPC, step: int = 1 << 30) -> None:
        self.room, self.error, self.step = room, error, step
        self.write: Callable[[int, Any], int] = os.write

    def __call__(self, fd: int, data: Any) -> int:
        count = min(len(data), self.room, self.step)
        if not count:
            raise OSError(self.error, os.strerror(self.error))
        self.room -= count
        return self.write(fd, bytes(data[:count]))


def test_nothing_is_opened_before_the_first_span(backend: LocalBackend, folder: Path) -> None:
    backend.export([])
    backend.close()
    assert not folder.exists()
    assert backend.path is None


def test_layout_and_modes(backend: LocalBackend, folder: Path) -> None:
    previous = os.umask(0)
    try:
        backend.export(spans(1, 2))
        backend.export(spans(3))
    finally:
        os.umask(previous)
    (path,) = files(folder)
    assert backend.path == str(path)
    assert path.parent == folder / "traces" / "2026-11-21"
    pid, random = path.stem.split("-")
    assert (pid, len(random)) == (str(os.getpid()), 16)
    assert numbers(folder) == [1, 2, 3]
    assert (folder / ".gitignore").read_text() == "*\n"
    assert [mode(p) for p in (folder, folder / "traces", path.parent)] == [0o700] * 3
    assert [mode(p) for p in (path, folder / ".gitignore")] == [0o600] * 2


def test_a_batch_is_one_write(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    backend.export(spans(1))
    sizes = []
    write = os.write

    def watched(fd: int, data: Any) -> int:
        sizes.append(len(data))
        return write(fd, data)

    monkeypatch.setattr(os, "write", watched)
    backend.export(spans(*range(2, 500)))
    assert len(sizes) == 1


def test_a_relative_directory_is_that_of_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    backend = LocalBackend(Settings())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    backend.export(spans(1))
    assert numbers(tmp_path / ".spanloom") == [1]


def test_rotation_by_size_splits_a_batch_at_lines(folder: Path) -> None:
    backend = LocalBackend(Settings(dir=str(folder)), rotate_bytes=2_000)
    backend.export(spans(*range(1, 30), size=100))
    backend.export([a_span(30, "y" * 10_000)])  # larger than a file may be: one of its own
    backend.export(spans(31))
    assert numbers(folder) == list(range(1, 32))
    sizes = [path.stat().st_size for path in files(folder)]
    assert [size for size in sizes if size > 2_000] == [max(sizes)] and max(sizes) > 10_000
    stems = {path.stem for path in files(folder)}
    first = min(stems, key=len)
    assert stems == {first, *(f"{first}-{n}" for n in range(1, len(stems)))}


def test_rotation_at_utc_midnight(folder: Path) -> None:
    now = [NOON]
    backend = LocalBackend(Settings(dir=str(folder)), clock=lambda: now[0])
    backend.export(spans(1))
    now[0] += 43_199
    backend.export(spans(2))
    now[0] += 1
    backend.export(spans(3))
    days = [(p.parent.name, len(p.read_bytes().splitlines())) for p in sorted(files(folder))]
    assert days == [("2026-11-21", 2), ("2026-11-22", 1)]


def test_close_may_be_called_twice_and_export_after_it_begins_a_file(
    backend: LocalBackend, folder: Path
) -> None:
    backend.export(spans(1))
    backend.close()
    backend.close()
    backend.export(spans(2))
    assert (numbers(folder), len(files(folder))) == ([1, 2], 2)


def test_a_descriptor_that_became_somebody_elses_is_left_alone(
    backend: LocalBackend, folder: Path, tmp_path: Path
) -> None:
    backend.export(spans(1))
    fd = backend._fd
    assert fd is not None
    theirs = os.open(tmp_path / "theirs", os.O_RDWR | os.O_CREAT)
    os.dup2(theirs, fd)  # as after a daemon closed all it had
    backend.export(spans(2))
    backend.close()
    os.fstat(fd)
    assert (tmp_path / "theirs").read_bytes() == b""
    assert numbers(folder) == [1, 2]
    os.close(fd)
    os.close(theirs)


# --- trouble ------------------------------------------------------------------------------------


def test_a_deleted_folder_is_made_again(backend: LocalBackend, folder: Path) -> None:
    backend.export(spans(1))
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()
    backend.export(spans(2))
    assert numbers(folder) == [2]
    assert (folder / ".gitignore").exists()


def test_a_folder_moved_away_keeps_what_it_has(backend: LocalBackend, folder: Path) -> None:
    backend.export(spans(1))
    folder.rename(folder.with_name("old"))
    backend.export(spans(2))
    assert (numbers(folder), numbers(folder.with_name("old"))) == ([2], [1])


def test_short_writes_are_carried_on(
    backend: LocalBackend, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.export(spans(1))
    monkeypatch.setattr(os, "write", Disk(1 << 30, step=7))
    backend.export(spans(2, 3))
    assert numbers(folder) == [1, 2, 3]


@pytest.mark.parametrize(
    "error", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS], ids=errno.errorcode.get
)
@pytest.mark.parametrize("room", [0, 1, 400, 700])
def test_a_full_disk_leaves_whole_lines_and_recovers(
    backend: LocalBackend, folder: Path, monkeypatch: pytest.MonkeyPatch, room: int, error: int
) -> None:
    backend.export(spans(1))
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", Disk(room, error))
        with pytest.raises(Refused, match=os.strerror(error)) as caught:
            backend.export(spans(2, 3, 4))
    kept = numbers(folder)
    assert kept == list(range(1, len(kept) + 1))
    assert len(kept) - 1 + caught.value.spans == 3
    backend.export(spans(5))
    assert numbers(folder) == [*kept, 5]
    assert len(files(folder)) == 1


def test_a_shorter_line_still_fits_where_a_long_one_did_not(
    backend: LocalBackend, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.export(spans(1))
    disk = Disk(5_000)
    truncate = os.ftruncate

    def give_back(fd: int, size: int) -> None:
        disk.room += os.fstat(fd).st_size - size
        truncate(fd, size)

    monkeypatch.setattr(os, "write", disk)
    monkeypatch.setattr(os, "ftruncate", give_back)
    with pytest.raises(Refused) as caught:
        backend.export([a_span(2), a_span(3, "x" * 9_000), a_span(4), a_span(5)])
    assert caught.value.spans == 1
    assert numbers(folder) == [1, 2, 4, 5]


def test_where_nothing_can_be_cut_back_later_lines_are_valid_all_the_same(
    backend: LocalBackend, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int, size: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    backend.export(spans(1))
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", Disk(100))
        patch.setattr(os, "ftruncate", refuse)
        with pytest.raises(Refused) as caught:
            backend.export(spans(2))
        assert caught.value.spans == 1
    backend.export(spans(3))
    backend.export(spans(4))
    (path,) = files(folder)
    first, torn, *rest = path.read_bytes().splitlines()
    assert (decode(first).name, len(torn)) == ("n1", 100)
    assert [decode(line).name for line in rest] == ["n3", "n4"]


def test_a_limit_on_the_size_of_a_file_begins_another(tmp_path: Path) -> None:
    script = f"""
import resource, sys
sys.path[:0] = {sys.path!r}
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
from spanloom.backends.local import LocalBackend
from spanloom.errors import Refused
from spanloom.settings import Settings
from spanloom.types import Span, Task
def span(n, text):
    return Span(trace_id=1, span_id=n, name=str(n), detail=Task(input=text), integration="m",
                start_ns=n, end_ns=n)
backend = LocalBackend(Settings(dir={str(tmp_path)!r}))
try:
    backend.export([span(1, ""), span(2, "x" * 5000), *(span(n, "x" * 500) for n in range(3, 30))])
except Refused as refused:
    print(refused.spans, refused)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.startswith("1 File too large: "), done
    assert numbers(tmp_path) == [1, *range(3, 30)]


def test_no_place_to_write_is_said_and_counted(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    backend = LocalBackend(Settings(dir=str(tmp_path / "file" / "sub")))
    with pytest.raises(Refused, match=r"File exists: .*/file$") as caught:
        backend.export([*spans(1, 2), a_span(3, status="pending", end_ns=None)])
    assert caught.value.spans == 2, "a span still open is not lost: its end is to come"
    (tmp_path / "file").unlink()
    backend.export(spans(4))
    assert numbers(tmp_path / "file" / "sub") == [4]


def test_a_span_that_cannot_be_recorded_costs_only_itself(
    backend: LocalBackend, folder: Path
) -> None:
    with pytest.raises(Refused, match="cannot be recorded") as caught:
        backend.export([*spans(1), a_span(2, trace_id="text"), *spans(3)])
    assert caught.value.spans == 1
    assert numbers(folder) == [1, 3]


# --- fork (G6) ----------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("hook", [True, False])
def test_g6_parent_and_child_write_to_files_of_their_own(
    backend: LocalBackend, folder: Path, hook: bool
) -> None:
    backend.export(spans(1))
    parents = backend.path
    pid = os.fork()
    if pid == 0:
        try:
            if hook:
                backend.after_fork()
            backend.export(spans(2))
            assert backend.path != parents
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    backend.export(spans(3))
    assert backend.path == parents
    assert numbers(folder) == [1, 2, 3]
    by_pid = {
        path.name.split("-")[0]: len(path.read_bytes().splitlines()) for path in files(folder)
    }
    assert by_pid == {str(os.getpid()): 2, str(pid): 1}


# --- blobs --------------------------------------------------------------------------------------


def blob(data: bytes) -> Blob:
    return Blob(sha256=hashlib.sha256(data).hexdigest(), data=data)


def test_h2_a_blob_is_stored_once(backend: LocalBackend, folder: Path) -> None:
    image = blob(b"\x89PNG" * 1000)
    backend.export([a_span(1, blobs=(image,))])
    path = folder / "blobs" / image.sha256
    before = path.stat()
    backend.export([a_span(2, blobs=(image,)), a_span(3, blobs=(image, blob(b"other")))])
    assert path.read_bytes() == image.data
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert len(list(path.parent.iterdir())) == 2
    assert b"PNG" not in files(folder)[0].read_bytes()


def test_a_blob_that_lost_its_content_is_stored_again(backend: LocalBackend, folder: Path) -> None:
    image = blob(b"content")
    (folder / "blobs").mkdir(parents=True)
    (folder / "blobs" / image.sha256).write_bytes(b"")  # as after a power failure
    backend.export([a_span(1, blobs=(image,))])
    assert (folder / "blobs" / image.sha256).read_bytes() == b"content"


def test_many_at_once_store_one_blob(folder: Path) -> None:
    image = blob(os.urandom(1 << 20))
    backends = [LocalBackend(Settings(dir=str(folder))) for _ in range(8)]
    threads = [
        threading.Thread(target=each.export, args=([a_span(n, blobs=(image,))],))
        for n, each in enumerate(backends, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name for path in (folder / "blobs").iterdir()] == [image.sha256]
    assert numbers(folder) == list(range(1, 9))


@pytest.mark.parametrize("name", ["../../escaped", "a" * 63, "A" * 64, "", "a" * 64 + "\n"])
def test_a_blob_is_never_stored_under_another_name_than_a_hash(
    backend: LocalBackend, folder: Path, name: str
) -> None:
    backend.export([a_span(1, blobs=(Blob(sha256=name, data=b"x"),))])
    assert not list(folder.rglob("blobs/*"))
    assert not (folder.parent / "escaped").exists()
    (record,) = records(folder)
    assert "not a SHA-256" in record.faults[0]


def test_a_blob_without_room_costs_only_itself(
    backend: LocalBackend, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.export(spans(1))
    disk = Disk(2_000)
    monkeypatch.setattr(os, "write", disk)
    real_unlink = os.unlink

    def give_back(path: str) -> None:
        disk.room += os.stat(path).st_size
        real_unlink(path)

    monkeypatch.setattr(os, "unlink", give_back)
    image = blob(b"x" * 10_000)
    backend.export([a_span(2, blobs=(image,))])
    assert not list((folder / "blobs").iterdir())
    assert numbers(folder) == [1, 2]
    assert records(folder)[1].faults[0].startswith(f"blob {image.sha256} not stored: No space left")


# --- memory -------------------------------------------------------------------------------------


def test_memory_keeps_and_finds() -> None:
    memory = MemoryBackend()
    memory.export([*spans(1, 2), a_span(3, detail=LLMCall())])
    assert [span.span_id for span in memory.spans] == [1, 2, 3]
    assert memory.find(name="n2") == spans(2)
    assert [span.span_id for span in memory.find(kind="llm")] == [3]
    assert memory.find(name="n1", kind="llm") == []
    memory.close()
    assert len(memory.spans) == 3
    memory.clear()
    assert memory.spans == []


def test_memory_is_bounded_and_says_so() -> None:
    memory = MemoryBackend(max_spans=2)
    with pytest.raises(Refused) as caught:
        memory.export(spans(1, 2, 3, 4))
    assert caught.value.spans == 2
    assert [span.span_id for span in memory.spans] == [1, 2]


def test_memory_shows_a_span_given_twice_twice() -> None:
    memory = MemoryBackend()
    memory.export([*spans(1), *spans(1)])
    assert len(memory.spans) == 2


def test_the_end_of_a_span_takes_the_place_of_its_pending_one() -> None:
    memory = MemoryBackend(wants_pending=True)
    pending = a_span(1, status="pending", end_ns=None)
    memory.export([pending, *spans(2)])
    assert memory.spans[0].status == "pending"
    memory.export(spans(1))
    assert [(span.span_id, span.status) for span in memory.spans] == [(1, "ok"), (2, "ok")]
    memory.after_fork()
    memory.export(spans(3))
    assert len(memory.spans) == 3
