"""Call a function when the program has imported a module.

``after_import`` costs nothing until then. Our own 60 lines, because the library made for it takes
as long to import as everything else that ``init`` does; and unlike it, a watched module sees its
own loader while it runs.
"""

import importlib.util
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, TypeAlias

from .errors import guard

Then: TypeAlias = Callable[[ModuleType], object]

_waiting: dict[str, list[Then]] = {}
_half: set[str] = set()
"""Of those, the modules that somebody was importing already: no ear can be put on them."""
_executed: set[str] = set()
"""Modules whose body is done, while we hear of it: to Python they are still being imported."""
_busy = threading.local()


def imported(name: str) -> bool:
    """Whether that module is there, and not still being executed."""
    module = sys.modules.get(name)
    if module is None or name in _executed:
        return module is not None
    return not getattr(getattr(module, "__spec__", None), "_initializing", False)


def after_import(name: str, then: Then) -> None:
    """Call ``then(module)`` once ``name`` is imported; now, if it was. Faults of ``then`` are ours."""
    if imported(name):
        with guard:
            then(sys.modules[name])
        return
    if name in sys.modules:
        _half.add(name)
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    _waiting.setdefault(name, []).append(then)


def recheck() -> None:
    """Call back for modules whose import had begun before anyone asked, and is over now."""
    for name in tuple(_half):
        if name not in sys.modules:  # it failed: the next one will be heard
            _half.discard(name)
        elif imported(name):
            _half.discard(name)
            for then in _waiting.pop(name, ()):
                with guard:
                    then(sys.modules[name])


class _Finder(MetaPathFinder):
    """Finds nothing itself: asks the others, and puts an ear on the loader of a watched module."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if _half:
            recheck()
        if fullname not in _waiting:
            return None
        names: set[str] = _busy.__dict__.setdefault("names", set())
        if fullname in names:
            return None
        names.add(fullname)
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            names.discard(fullname)
        if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _Ear(spec.loader)
        return spec


class _Ear(Loader):
    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self._loader.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        _executed.add(module.__name__)
        try:
            for then in _waiting.pop(module.__name__, ()):
                with guard:
                    then(module)
        finally:
            _executed.discard(module.__name__)
