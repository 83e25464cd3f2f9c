"""What the demo asks of one Python file: pure functions of its bytes.

A file that cannot be read as Python raises what Python itself says about it: `SyntaxError`,
`UnicodeDecodeError`, or `ValueError` for a NUL (a `SyntaxError` too since Python 3.12).
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
SCOPES = (*FUNCTIONS, ast.Lambda, ast.ClassDef)
BRANCHES = (
    ast.If,
    ast.IfExp,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.ExceptHandler,
    ast.comprehension,
    ast.match_case,
)

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Definitions:
    """What a file defines."""

    functions: int
    """Plain functions and methods."""
    coroutines: int
    """Async functions and methods."""
    classes: int
    """Classes."""
    documented: int
    """How many of all those have a docstring."""


@dataclass(frozen=True, slots=True)
class Imports:
    """What a file imports."""

    modules: tuple[str, ...]
    """Top-level names of the modules, each once, sorted."""
    relative: int
    """How many of its imports are relative."""


@dataclass(frozen=True, slots=True)
class Complexity:
    """How branched the functions of a file are, by McCabe: one and one more for each branch."""

    functions: int
    """How many functions were looked at."""
    total: int
    """The sum of their complexities."""
    highest: int
    """The complexity of the most branched one; 0 where there is no function."""
    most_branched: str
    """The name of that function."""


def parse(source: bytes, name: str) -> ast.Module:
    """Read `source` as Python does, its declared encoding included; `name` is for messages."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    return ast.parse(source.decode(encoding), filename=name)


def definitions_of(tree: ast.Module) -> Definitions:
    """Count what the file defines.

    >>> definitions_of(ast.parse("class A:\\n  def f(self): 'it does'"))
    Definitions(functions=1, coroutines=0, classes=1, documented=1)
    """
    defined = [node for node in ast.walk(tree) if isinstance(node, (*FUNCTIONS, ast.ClassDef))]
    return Definitions(
        functions=sum(isinstance(node, ast.FunctionDef) for node in defined),
        coroutines=sum(isinstance(node, ast.AsyncFunctionDef) for node in defined),
        classes=sum(isinstance(node, ast.ClassDef) for node in defined),
        documented=sum(ast.get_docstring(node, clean=False) is not None for node in defined),
    )


def imports_of(tree: ast.Module) -> Imports:
    """List what the file imports, wherever in it the import stands.

    >>> imports_of(ast.parse("import os.path, re\\nfrom . import corpus"))
    Imports(modules=('os', 're'), relative=1)
    """
    modules: set[str] = set()
    relative = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            relative += bool(node.level)
            if node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    return Imports(tuple(sorted(modules)), relative)


def complexity_of(tree: ast.Module) -> Complexity:
    """Measure every function of the file, nested ones by themselves.

    >>> complexity_of(ast.parse("def f(x):\\n  return 1 if x and x > 2 else 0")).highest
    3
    """
    measured = [
        (complexity_of_function(node), node.name)
        for node in ast.walk(tree)
        if isinstance(node, FUNCTIONS)
    ]
    highest, name = max(measured, key=lambda one: one[0], default=(0, ""))
    return Complexity(len(measured), sum(one for one, _ in measured), highest, name)


def complexity_of_function(function: Function) -> int:
    """Count the ways through one function, without those of functions inside it."""
    return 1 + sum(ways_added_by(node) for node in own_nodes_of(function))


def ways_added_by(node: ast.AST) -> int:
    """How many ways through a function one node adds."""
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    if isinstance(node, ast.comprehension):
        return 1 + len(node.ifs)
    return int(isinstance(node, BRANCHES))


def own_nodes_of(function: Function) -> Iterator[ast.AST]:
    """Walk a function's body, without what belongs to functions and classes inside it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, SCOPES):
            waiting.extend(ast.iter_child_nodes(node))
