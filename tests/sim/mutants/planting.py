"""Plants bugs into the real code while it runs, and takes them out again: no file is edited.

A bug is a piece of text that is put in the place of another, in a statement of SQL or in the
source of one function, which is then compiled anew. Text that is not there (any more), or there
more than once, is an error: a mutant never quietly becomes the product itself.
"""

from __future__ import annotations
import __future__

import inspect
import sys
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from types import FunctionType, ModuleType
from typing import Any

from overseen_storage.sqlite import statements

Swap = tuple[str, str]
"""What is there, and what is put in its place."""
PACKAGES = ("overseen", "overseen_actors", "overseen_storage")
_STATEMENTS = "overseen_storage.sqlite"


class NotThere(AssertionError):
    """The text that a mutant changes is not in the code, or more than once."""


@dataclass(frozen=True, slots=True)
class Sql:
    """A bug in the statement ``queries/<name>.sql``."""

    name: str
    swap: Swap


@dataclass(frozen=True, slots=True)
class Code:
    """A bug in one function, which a module or a class holds."""

    owner: ModuleType | type
    name: str
    swaps: tuple[Swap, ...]


Change = Sql | Code


def sql(name: str, old: str, new: str) -> Sql:
    """In this statement, `new` instead of `old`."""
    return Sql(name, (old, new))


def code(owner: ModuleType | type, name: str, *swaps: Swap) -> Code:
    """In the source of this function, each second text instead of the first."""
    return Code(owner, name, swaps)


@contextmanager
def planted(changes: Iterable[Change]) -> Generator[None]:
    """Inside, the program has these bugs."""
    texts: dict[str, list[Swap]] = defaultdict(list)
    with ExitStack() as stack:
        for change in changes:
            match change:
                case Sql():
                    texts[change.name].append(change.swap)
                case Code():
                    _plant_code(stack, change)
        if texts:
            _plant_texts(stack, texts)
        yield


def swapped(text: str, swap: Swap, where: str) -> str:
    """The text with the bug."""
    old, new = swap
    if text.count(old) != 1:
        raise NotThere(f"{where} has {old!r} {text.count(old)} times, not once")
    return text.replace(old, new)


# SQL


def _plant_texts(stack: ExitStack, texts: dict[str, list[Swap]]) -> None:
    changed = {name: _statement_text(name) for name in texts}
    for name, swaps in texts.items():
        for swap in swaps:
            changed[name] = swapped(changed[name], swap, f"{name}.sql")

    def files_with_bugs(package: str) -> _Folder:
        return _Folder(package, changed)

    _replace(stack, statements, "files", files_with_bugs)
    statements.statement.cache_clear()
    stack.callback(statements.statement.cache_clear)


def _statement_text(name: str) -> str:
    return files(_STATEMENTS).joinpath("queries", f"{name}.sql").read_text("utf-8")


class _Folder:
    """As much of a package's folder as the statements ask for."""

    def __init__(self, package: str, changed: dict[str, str]) -> None:
        self._package = package
        self._changed = changed
        self._parts: tuple[str, ...] = ()

    def joinpath(self, *parts: str) -> _Folder:
        found = _Folder(self._package, self._changed)
        found._parts = parts
        return found

    def read_text(self, encoding: str) -> str:
        changed = self._changed.get(self._parts[-1].removesuffix(".sql"))
        if changed is not None:
            return changed
        return files(self._package).joinpath(*self._parts).read_text(encoding)


# Functions


def _plant_code(stack: ExitStack, change: Code) -> None:
    found = vars(change.owner)[change.name]
    function = _function_of(found)
    text = inspect.getsource(function)
    where = f"{change.owner.__name__}.{change.name}"
    for swap in change.swaps:
        text = swapped(text, swap, where)
    made = _compiled(function, text, where)
    if isinstance(change.owner, ModuleType):
        for holder in _holders(change.name, found):
            _replace(stack, holder, change.name, made)
    else:
        _replace(stack, change.owner, change.name, made)


def _function_of(found: object) -> FunctionType:
    if isinstance(found, property):
        found = found.fget
    function = inspect.unwrap(found) if callable(found) else found
    assert isinstance(function, FunctionType), f"{found!r} is no function"
    return function


def _compiled(function: FunctionType, text: str, where: str) -> object:
    """The function anew, in the names of its own module."""
    names: dict[str, Any] = {}
    if text[0].isspace():
        text = f"if True:\n{text}"  # a method, as far to the right as it stands
    flags = __future__.annotations.compiler_flag
    program = compile(text, f"<mutant of {where}>", "exec", flags, dont_inherit=True)
    exec(program, function.__globals__, names)
    return names[function.__name__]


def _holders(name: str, found: object) -> list[ModuleType]:
    """Every module of the product that has taken this function under this name."""
    return [
        module
        for module_name, module in list(sys.modules.items())
        if module_name.split(".")[0] in PACKAGES and vars(module).get(name) is found
    ]


def _replace(stack: ExitStack, owner: Any, name: str, value: object) -> None:
    held: dict[str, object] = owner.__dict__
    before = held[name]
    setattr(owner, name, value)
    undo: Callable[[], None] = lambda: setattr(owner, name, before)  # noqa: E731
    stack.callback(undo)
