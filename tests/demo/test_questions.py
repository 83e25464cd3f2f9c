"""What the demo asks of one file."""

from __future__ import annotations

import ast
import inspect
import textwrap

import pytest

from overseen.demo import questions
from overseen.demo.questions import Complexity, Definitions, Imports

SOURCE = '''
import os.path, re as regex
from collections.abc import Iterator
from . import near
from .. import far

class Shop:
    """Sells."""
    async def open(self): "it opens"
    def close(self):
        def inner():
            import late
            return [a for a in b if c] if d and e else f
        return inner
'''


def tree(source: str) -> ast.Module:
    return questions.parse(textwrap.dedent(source).encode(), "test.py")


def highest(source: str) -> int:
    return questions.complexity_of(tree(source)).highest


def test_definitions_are_counted_wherever_they_stand() -> None:
    """Methods and nested functions count; docstrings too."""
    assert questions.definitions_of(tree(SOURCE)) == Definitions(2, 1, 1, 2)


def test_imports_are_listed_by_their_top_level_name() -> None:
    """Each module once, sorted; relative imports are counted apart."""
    assert questions.imports_of(tree(SOURCE)) == Imports(("collections", "late", "os", "re"), 2)


def test_a_function_without_branches_has_one_way_through() -> None:
    """McCabe starts at one; a file without functions has none."""
    assert highest("def f(): return 1") == 1
    assert questions.complexity_of(tree("x = 1 if y else 2")) == Complexity(0, 0, 0, "")


@pytest.mark.parametrize(
    ("body", "ways"),
    [
        ("if a: pass\n elif b: pass\n else: pass", 3),
        ("while a: pass", 2),
        ("try: pass\n except A: pass\n except B: pass", 3),
        ("return a and b and c", 3),
        ("return [x for x in y if x if z]", 4),
        ("match a:\n  case 1: pass\n  case _: pass", 3),
        ("for x in y: pass", 2),
    ],
)
def test_each_branch_adds_a_way(body: str, ways: int) -> None:
    """Every construct that branches counts as McCabe counts it."""
    assert highest(f"def f():\n {body}\n") == ways


def test_nested_functions_count_for_themselves() -> None:
    """The branches of an inner function are not the outer one's."""
    assert questions.complexity_of(tree(SOURCE)) == Complexity(3, 7, 5, "inner")


def test_the_declared_encoding_is_obeyed() -> None:
    """A file is decoded as it says, and a mark at its beginning is no character."""
    source = "# coding: latin-1\nname = 'café'\n".encode("latin-1")
    marked = b"\xef\xbb\xbfx = 1\n"

    assert "'café'" in ast.unparse(questions.parse(source, "a.py"))
    assert ast.unparse(questions.parse(marked, "b.py")) == "x = 1"


def test_the_name_of_the_file_is_in_the_error() -> None:
    """Whoever reads the failure knows which file and line."""
    with pytest.raises(SyntaxError, match=r"shop\.py, line 2"):
        questions.parse(b"\ndef (", "shop.py")


def test_it_can_read_itself() -> None:
    """Real files work: the module answers for its own source."""
    itself = questions.parse(inspect.getsource(questions).encode(), "questions.py")

    assert questions.definitions_of(itself).classes == 3
    assert "ast" in questions.imports_of(itself).modules
