"""Docstrings under members, which Python throws away, read back from the source."""

from __future__ import annotations

import ast
import inspect
import sys
from dataclasses import dataclass
from enum import Enum
from functools import cache
from types import ModuleType


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a class: an enum's value, or a field of a record or an options dictionary."""

    name: str
    annotation: str
    """Its type as it is written; empty for an enum's value."""
    value: str
    """Its value or default as it is written; empty if there is none."""
    doc: str
    """The docstring under it; empty if there is none."""


def members(owner: type) -> list[Member]:
    """The members that are assigned or annotated in the body of a class, in order."""
    body = _class(owner).body
    found: list[Member] = []
    for statement, following in zip(body, [*body[1:], None], strict=True):
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                written = "" if value is None else ast.unparse(value)
                found.append(Member(name, ast.unparse(annotation), written, _text(following)))
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found.append(Member(name, "", ast.unparse(value), _text(following)))
            case _:
                pass
    return found


def words(enum: type[Enum]) -> dict[str, str]:
    """The docstring of each member of an enum, by the member's value."""
    docs = {member.name: member.doc for member in members(enum)}
    return {str(member.value): docs[member.name] for member in enum}


def fields(record: type) -> dict[str, str]:
    """The docstring of each field of a record, by name; an empty one where there is none."""
    return {member.name: member.doc for member in members(record)}


def calls_in(owner: type, method: str, function: str) -> list[ast.Call]:
    """The calls of `function` in a method of a class."""
    for statement in _class(owner).body:
        if isinstance(statement, ast.FunctionDef) and statement.name == method:
            return [
                node
                for node in ast.walk(statement)
                if isinstance(node, ast.Call)
                if isinstance(node.func, ast.Name) and node.func.id == function
            ]
    raise LookupError(f"{owner.__name__} has no method {method}")


def classes_of(module: ModuleType) -> list[type]:
    """The classes that a module defines, in order."""
    defined = [node.name for node in _tree(module.__name__).body if isinstance(node, ast.ClassDef)]
    found = [getattr(module, name) for name in defined]
    return [one for one in found if isinstance(one, type)]


def doc_of(thing: object) -> str:
    """The docstring of a class or module, without its indentation."""
    return inspect.getdoc(thing) or ""


def _class(owner: type) -> ast.ClassDef:
    for node in _tree(owner.__module__).body:
        if isinstance(node, ast.ClassDef) and node.name == owner.__name__:
            return node
    raise LookupError(f"{owner.__module__} does not define {owner.__name__}")


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(inspect.getsource(sys.modules[module]))


def _text(statement: ast.stmt | None) -> str:
    match statement:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return inspect.cleandoc(text)
        case _:
            return ""
