"""docs/reference/settings.md: every knob of a supervisor."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from types import MappingProxyType
from typing import Final, get_type_hints

from docs.generating.markdown import code, inline, prose, sections, table
from docs.generating.source import calls_in, doc_of, members

from overseen.settings import Retention, Settings

INTRODUCTION = """
# Settings of a supervisor

Keyword arguments of `Supervisor`. Durations may be written as seconds or as text such as
`"250ms"`, `"10m"`, `"1h30m"`; a value outside its bounds raises `InvalidOption`, which names the
bound. What is said of a kind of job is in [job_options.md](job_options.md).
"""

OTHERS: Final = MappingProxyType[str, str](
    {
        "database": 'Where jobs are kept: the path of a file, `":memory:"`, or a function that '
        "makes a store.",
        "jobs": "The jobs this program knows. Jobs of other kinds stay in the database, held as "
        "`unregistered`.",
        "state": "Handed to bodies as `ctx.state`: pools, clients, the program's own objects.",
        "clock": "Where wall time is read. For tests.",
        "random": "Draws from 0 to 1 for the jitter of retries. For tests.",
        "logger": "A structlog logger in place of the library's, which is silent until the program "
        "configures logging.",
    }
)
"""The arguments of `Supervisor` that are no setting."""


def render() -> str:
    """The page."""
    return sections(
        [
            INTRODUCTION,
            table(["setting", "type", "default", "bounds", "meaning"], _settings()),
            "## Retention",
            prose(doc_of(Retention)),
            table(["outcome", "default"], [(code(n), code(d)) for n, d in _retention()]),
            "## The other arguments",
            table(["argument", "meaning"], [(code(name), text) for name, text in OTHERS.items()]),
        ]
    )


def _settings() -> list[tuple[str, ...]]:
    defaults, hints = Settings(), get_type_hints(Settings)
    return [
        (
            code(one.name),
            code(_written(hints[one.name])),
            code(_shown(getattr(defaults, one.name))),
            bounds().get(one.name, ""),
            inline(one.doc),
        )
        for one in members(Settings)
    ]


def bounds() -> dict[str, str]:
    """The bounds of the settings that are whole numbers, as the code checks them."""
    found: dict[str, str] = {}
    for name, (low, high) in limits().items():
        found[name] = f"{low:,} to {high:,}"
    return found


def limits() -> dict[str, tuple[int, int]]:
    """Lowest and highest value of each setting that is a whole number."""
    found: dict[str, tuple[int, int]] = {}
    for call in calls_in(Settings, "__post_init__", "_whole"):
        match call.args:
            case [ast.Constant(value=str(name)), _, low, high]:
                found[name] = _number(low), _number(high)
            case _:
                pass  # the limits of named queues: said in the setting's own text
    return found


def _written(hint: object) -> str:
    """A type without the modules its parts are from."""
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", inspect.formatannotation(hint))


def _number(expression: ast.expr) -> int:
    names = vars(sys.modules[Settings.__module__])
    value: object = eval(ast.unparse(expression), dict(names))
    assert isinstance(value, int)
    return value


def _retention() -> list[tuple[str, str]]:
    return [(one.name, one.value) for one in members(Retention)]


_DIGITS_UNGROUPED: Final = 10_000


def _shown(value: object) -> str:
    if isinstance(value, int) and value >= _DIGITS_UNGROUPED:
        return f"{value:_}"
    return "Retention()" if isinstance(value, Retention) else repr(value)
