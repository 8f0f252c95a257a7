"""The default backend: records as JSON Lines in a directory, one file for each process and day.

``<dir>/traces/<utc-day>/<pid>-<random>[-<n>].jsonl`` holds the records (``spanloom.record``),
``<dir>/blobs/<sha256>`` the binary content that they name. No file is ever shared, so processes
need no lock. A file holds whole lines only, also after a full disk; only ``kill -9`` in the middle
of a write can leave a last line without an end.
"""

import errno
import os
import re
import secrets
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from msgspec import structs

from spanloom.errors import Refused, log
from spanloom.record import RecordError, encode
from spanloom.types import Blob, Span

if TYPE_CHECKING:
    from spanloom.settings import Settings

_DAY_S = 86_400
_WRITE_BYTES = 4 * 1024 * 1024  # of encoded lines held at a time, however large the batch is
_MISSES = 16  # lines in a row that the disk refused before the rest of a batch is given up
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_FLAGS |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class _Line(NamedTuple):
    data: bytes
    finished: bool
    """False for a span still open: its loss is made good by its last line."""


class LocalBackend:
    """Append records to a file of this process.

    What the disk refuses is lost, counted and said (``Refused``); nothing is held back for later,
    so that a full disk does not become a full memory. Writing goes on when there is room again.

    Args:
        settings: ``dir`` and ``rotate_bytes`` are read.
        dir: another directory than the settings say.
        rotate_bytes: another size at which the next file begins.
        clock: seconds since the epoch; for tests of midnight.
    """

    name = "local"
    wants_pending = True

    def __init__(
        self,
        settings: "Settings",
        *,
        dir: str | os.PathLike[str] | None = None,
        rotate_bytes: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.dir: str = _absolute(os.fspath(settings.dir if dir is None else dir))
        self._rotate_bytes = settings.rotate_bytes if rotate_bytes is None else rotate_bytes
        self._clock = clock
        self._fd: int | None = None
        self._identity: os.stat_result | None = None
        self._path: str | None = None
        self._day = 0
        self._size = 0
        self._torn = False
        self._lost = 0
        self._reason: str | None = None
        self._said_blob = False
        self._new_name()

    @property
    def path(self) -> str | None:
        """The file written to last; ``None`` before the first span."""
        return self._path

    def export(self, batch: Sequence[Span], /) -> None:
        if self._pid != os.getpid():  # forked where no hook ran
            self.after_fork()
        self._lost, self._reason = 0, None
        lines: list[_Line] = []
        held = 0
        for span in batch:
            finished = span.status != "pending"
            if span.blobs:
                span = self._store_blobs(span)
            try:
                line = _Line(encode(span) + b"\n", finished)
            except RecordError as exc:
                self._refuse([_Line(b"", finished)], str(exc))
                continue
            if lines and held + len(line.data) > _WRITE_BYTES:
                self._write(lines)
                lines, held = [], 0
            lines.append(line)
            held += len(line.data)
        self._write(lines)
        if self._reason is not None:
            raise Refused(self._reason, spans=self._lost)

    def close(self) -> None:
        fd, identity, self._fd, self._identity = self._fd, self._identity, None, None
        # a program that closed all its descriptors may use the number for something of its own
        if fd is not None and identity is not None and _is(fd, identity):
            os.close(fd)

    def after_fork(self) -> None:
        """The parent goes on with its file; the child begins one under its own name."""
        self.close()  # the child's copy of the descriptor; nothing is buffered in it
        self._path = None
        self._new_name()

    # --- lines ------------------------------------------------------------------------------

    def _write(self, lines: list[_Line]) -> None:
        misses = 0
        while lines:
            try:
                self._ready(len(lines[0].data))
            except OSError as exc:
                self._refuse(lines, _why(exc, self.dir))
                return
            # after a failure one by one: a shorter line may still fit where a long one did not
            chunk = lines[:1] if misses else self._fitting(lines)
            empty = self._size == 0
            done, failure = self._append(chunk)
            del lines[:done]
            if failure is None:
                misses = min(misses, 1)
            elif failure.errno == errno.EFBIG and (done or not empty):
                self.close()  # a limit on the size of one file: the next line begins another
            else:
                self._refuse(lines[:1], _why(failure, self._path or self.dir))
                del lines[:1]
                misses += 1
                if misses > _MISSES:
                    self._refuse(lines, _why(failure, self._path or self.dir))
                    return

    def _fitting(self, lines: list[_Line]) -> list[_Line]:
        size = self._size
        for index, line in enumerate(lines):
            size += len(line.data)
            if size > self._rotate_bytes and index:
                return lines[:index]
        return lines

    def _append(self, chunk: list[_Line]) -> tuple[int, OSError | None]:
        """Write the lines; of what fails, leave the whole ones. Gives their number and the failure."""
        assert self._fd is not None
        data = b"".join(line.data for line in chunk)
        mended = 0
        if self._torn:
            data, mended = b"\n" + data, 1
        done = 0
        try:
            view = memoryview(data)
            while done < len(data):
                count = os.write(self._fd, view[done:])
                if not count:
                    raise OSError(errno.EIO, "nothing was written")
                done += count
        except OSError as failure:
            whole, kept = 0, min(done, mended)
            for line in chunk:
                if kept + len(line.data) > done:
                    break
                kept += len(line.data)
                whole += 1
            if done:
                self._torn = False
            if done > kept:
                try:
                    os.ftruncate(self._fd, self._size + kept)
                except OSError:
                    kept, self._torn = done, True
            self._size += kept
            return whole, failure
        self._torn = False
        self._size += done
        return len(chunk), None

    def _refuse(self, lines: list[_Line], reason: str) -> None:
        self._lost += sum(line.finished for line in lines)
        self._reason = reason

    # --- files ------------------------------------------------------------------------------

    def _new_name(self) -> None:
        self._pid = os.getpid()
        self._stem = f"{self._pid}-{secrets.token_hex(8)}"
        self._files = 0

    def _ready(self, length: int) -> None:
        """Have the right file open: of today, with room for ``length``, and still where we made it."""
        day = int(self._clock() // _DAY_S)
        if self._fd is not None and self._identity is not None and self._path is not None:
            try:
                there = os.stat(self._path)
                if not os.path.samestat(there, self._identity) or not _is(self._fd, there):
                    raise FileNotFoundError(errno.ENOENT, "replaced")
                self._size = there.st_size  # less, if somebody cut it
            except OSError:
                self.close()  # deleted or moved away under us: begin another
        if day != self._day or (self._size and self._size + length > self._rotate_bytes):
            self.close()
        if self._fd is None:
            self._open(day)

    def _open(self, day: int) -> None:
        folder = os.path.join(
            self._home(), "traces", time.strftime("%Y-%m-%d", time.gmtime(day * _DAY_S))
        )
        _make(os.path.dirname(folder))
        _make(folder)
        number = f"-{self._files}" if self._files else ""
        path = os.path.join(folder, f"{self._stem}{number}.jsonl")
        fd = os.open(path, _FLAGS | os.O_APPEND, 0o600)
        self._files += 1
        self._fd, self._path, self._day = fd, path, day
        self._identity = os.fstat(fd)
        self._size, self._torn = 0, False

    def _home(self) -> str:
        if not os.path.isdir(self.dir):
            os.makedirs(os.path.dirname(self.dir), exist_ok=True)
            _make(self.dir)
        ignore = os.path.join(self.dir, ".gitignore")
        if not os.path.exists(ignore):
            try:
                _create(ignore, b"*\n")
            except FileExistsError:
                pass  # another process was quicker
        return self.dir

    # --- blobs ------------------------------------------------------------------------------

    def _store_blobs(self, span: Span) -> Span:
        """Before the line that names them. A blob that cannot be stored costs only itself."""
        faults: list[str] = []
        for blob in span.blobs:
            try:
                self._store(blob)
            except (OSError, ValueError) as exc:
                reason = _why(exc, self.dir) if isinstance(exc, OSError) else str(exc)
                faults.append(f"blob {blob.sha256[:64]} not stored: {reason}")
        if not faults:
            return span
        if not self._said_blob:
            self._said_blob = True
            log.warning("spanloom backend local: %s", faults[0])
        return structs.replace(span, faults=(*span.faults, *faults))

    def _store(self, blob: Blob) -> None:
        if not _SHA256.fullmatch(blob.sha256):  # it becomes a file name
            raise ValueError("not a SHA-256 in lower-case hex")
        path = os.path.join(self.dir, "blobs", blob.sha256)
        try:
            if os.stat(path).st_size == len(blob.data):
                return
        except FileNotFoundError:
            pass
        _make(os.path.join(self._home(), "blobs"))
        partial = f"{path}.{self._pid}-{secrets.token_hex(4)}.part"
        try:
            _create(partial, blob.data)
            os.replace(partial, path)
        except OSError:
            try:
                os.unlink(partial)
            except OSError:
                pass
            raise


def _absolute(path: str) -> str:
    try:
        return os.path.abspath(os.path.expanduser(path))
    except FileNotFoundError:  # the working directory is gone
        return path


def _is(fd: int, there: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), there)
    except OSError:
        return False


def _make(folder: str) -> None:
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise


def _create(path: str, data: bytes) -> None:
    fd = os.open(path, _FLAGS, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
    finally:
        os.close(fd)


def _why(exc: OSError, path: str) -> str:
    return f"{exc.strerror or type(exc).__qualname__}: {exc.filename or path}"
