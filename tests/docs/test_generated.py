"""The generated pages are what the code says, and they leave nothing out."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from dataclasses import replace
from enum import Enum
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from docs.generating import errors_page, events_page, options_page, schema_page, settings_page
from docs.generating.pages import pages, stale, text_of, write
from docs.generating.source import fields, words

from overseen import InvalidOption, Retention, Settings, Supervisor
from overseen.job_options import JobOptions, OnLost, SubmitOverrides
from overseen_storage.batch_lifecycle import BATCH_MOVES, BatchPolicy, BatchStatus
from overseen_storage.lifecycle import MOVES, Cause, EventType, Held, Reason, Status, event_of

ROOT = Path(__file__).resolve().parents[2]
ERRORS = list(errors_page.PARTS.values())
# Where events are written: by name in these folders, or as the event of a move.
PRODUCT = [
    *(ROOT / "supervisor").rglob("*.py"),
    *(ROOT / "storage" / "overseen_storage" / "sqlite").rglob("*.py"),
]


@pytest.mark.parametrize("name", pages())
def test_a_page_is_what_the_generator_gives(name: str) -> None:
    """A generated page on disk is exactly what the code of this checkout says."""
    assert (ROOT / name).read_text(encoding="utf-8") == text_of(name), "run: python3 dev.py docs"


def test_a_page_that_differs_is_named_and_written_again(tmp_path: Path) -> None:
    """`--check` fails for a page that is missing or changed by hand, and writing repairs it."""
    assert stale(tmp_path) == pages()
    assert write(tmp_path) == pages()
    assert stale(tmp_path) == []

    page = tmp_path / pages()[0]
    page.write_text(page.read_text(encoding="utf-8") + "by hand\n", encoding="utf-8")

    assert stale(tmp_path) == [pages()[0]]
    assert write(tmp_path) == [pages()[0]]
    assert stale(tmp_path) == []


def test_the_generator_runs_uninstalled() -> None:
    """`python docs/generate.py --check` works from any folder and passes on this checkout."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "docs" / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT.parent,
        env={"PATH": "/usr/bin:/bin"},
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, ""), done.stdout


@pytest.mark.parametrize("enum", [Status, Reason, Cause, Held, OnLost, BatchStatus, BatchPolicy])
def test_every_word_of_the_lifecycle_has_its_paragraph(enum: type[Enum]) -> None:
    """Whoever meets a status, reason, cause or hold finds on the page what it means."""
    page = text_of("docs/lifecycle.md")

    silent = [word for word, doc in words(enum).items() if not doc]
    missing = [word for word in words(enum) if not re.search(rf"^\* `{word}`: \w", page, re.M)]

    assert (silent, missing) == ([], [])


def test_every_move_is_in_the_picture_and_in_the_table() -> None:
    """The picture and the table have an arrow and a row for each legal move, and no other. (R40)"""
    page, _, batches = text_of("docs/lifecycle.md").partition("## Batches")
    drawn = {
        (source, move, target)
        for source, target, moves in re.findall(r"^    (\S+) --> (\w+): (.+)$", page, re.M)
        for move in moves.split(" / ")
    }
    rows = re.findall(
        r"^\| (?:`(\w+)`|\(nothing\)) \| `(\w+)` \| `(\w+)` \| `(\w+)` \|", page, re.M
    )

    assert drawn == {(str(source or "[*]"), str(m), str(to)) for (source, m), to in MOVES.items()}
    assert rows == [(str(s or ""), m, to, event_of(m)) for (s, m), to in MOVES.items()]
    assert set(re.findall(r"^    (\S+) --> (\w+): (.+)$", batches, re.M)) == {
        (str(source or "[*]"), str(target), str(move))
        for (source, move), targets in BATCH_MOVES.items()
        for target in targets
    }


def test_every_event_is_explained() -> None:
    """Each type of event has a meaning on both pages; one that nothing writes yet says so. (R40)"""
    lifecycle, reference = text_of("docs/lifecycle.md"), text_of("docs/reference/events.md")

    for event in EventType:
        assert re.search(rf"^\* `{event}`: \w", lifecycle, re.M), event
        assert re.search(rf"^\| `{event}`( \*reserved\*)? \|", reference, re.M), event


def test_reserved_events_are_those_that_no_code_writes() -> None:
    """The mark *reserved* is on every event that the product cannot write, and on no other."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in PRODUCT)
    named = {one for one in EventType if f"EventType.{one.name}" in code}
    verdicts = {EventType.PROGRESS, EventType.STUCK}  # sanity: these are known to be written

    assert verdicts <= named
    of_moves = {event_of(move) for _, move in MOVES}
    stopping = {EventType.STOPPING} if "stopping_events" in code else set[EventType]()
    frames = {EventType.SNAPSHOT, EventType.HISTORY_PRUNED}
    assert set(EventType) - named - of_moves - stopping - frames == events_page.RESERVED


def test_no_event_is_described_twice() -> None:
    """The generator's own words are only for types whose member says nothing itself."""
    own = words(EventType)

    assert [event for event in events_page.UNDESCRIBED if own[event]] == []


def test_every_setting_is_explained() -> None:
    """Each argument of `Supervisor` is on the page, and each setting has a meaning."""
    page = text_of("docs/reference/settings.md")
    arguments = list(inspect.signature(Supervisor).parameters)

    missing = [one for one in arguments if not re.search(rf"^\| `{one}` \|.* \w", page, re.M)]

    assert missing == []
    assert [name for name, doc in fields(Settings).items() if not doc] == []
    assert {*settings_page.OTHERS, *fields(Settings)} == set(arguments)


def test_defaults_of_the_face_are_those_of_the_settings() -> None:
    """`Supervisor(...)` has the defaults that the page, made from `Settings`, gives."""
    parameters = inspect.signature(Supervisor).parameters
    made_anew: dict[str, object] = {"queues": {}, "retention": Retention()}  # None in the signature

    for name in fields(Settings):
        default = made_anew.get(name, parameters[name].default)
        assert default == getattr(Settings(), name), name


def with_setting(name: str, value: object) -> Settings:
    """The defaults, but for one setting."""
    changed: dict[str, Any] = {name: value}
    return replace(Settings(), **changed)


def test_bounds_on_the_page_are_the_bounds() -> None:
    """The lowest and highest value given for a setting are taken, the next ones refused."""
    for name, (low, high) in settings_page.limits().items():
        for value in (low, high):
            assert getattr(with_setting(name, value), name) == value
        for value in (low - 1, high + 1):
            with pytest.raises(InvalidOption):
                with_setting(name, value)


@pytest.mark.parametrize("options", [JobOptions, SubmitOverrides])
def test_every_option_is_explained(options: type) -> None:
    """Each option of `@job` and of `Job.options` is on the page with a meaning."""
    page = text_of("docs/reference/job_options.md")
    part = page.split("## `job.options(...)`")[options is SubmitOverrides]

    missing = [
        name for name in fields(options) if not re.search(rf"^\| `{name}` \| .* \| \S", part, re.M)
    ]

    assert missing == []
    assert [one.name for one in options_page.overrides() if not one.doc] == []


@pytest.mark.parametrize("module", ERRORS)
def test_every_error_is_explained(module: ModuleType) -> None:
    """Each error has its section with a meaning, and its place in the tree."""
    page = text_of("docs/reference/errors.md")

    for error in errors_page.errors_of(module):
        assert error.__doc__, error
        assert f"\n### {error.__name__}\n\n{error.__doc__.split()[0]}" in page


@pytest.mark.parametrize("module", ERRORS)
def test_the_trees_of_errors_are_the_inheritance(module: ModuleType) -> None:
    """The tree drawn for people has every error, each below the one it is a kind of."""
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in errors_page.tree(module).splitlines():
        found = re.match(r"([│├└─ ]*)(\w+)", line)
        assert found is not None, line
        depth = len(found[1]) // 4
        del above[depth:]
        above.append(found[2])
        for parent, child in pairwise(above):
            drawn.setdefault(child, parent)
        if depth == 0:
            drawn[found[2]] = "Exception"

    expected = {one.__name__: one.__bases__[0].__name__ for one in errors_page.errors_of(module)}
    assert drawn == {"OverseenError": "Exception", **expected}


def test_every_table_view_and_column_is_on_the_page() -> None:
    """Whoever opens the file with a shell finds each table, view and column explained."""
    page = text_of("docs/reference/schema.md")

    with schema_page.migrated() as connection:
        for kind in ("table", "view"):
            for name in schema_page.names(connection, kind):
                part = page.split(f"\n### {name}\n")[1].split("\n### ")[0]
                absent = [
                    column
                    for column, _, _ in schema_page.columns(connection, name)
                    if f"`{column}`" not in part
                ]
                assert absent == [], name
                assert (
                    kind == "view"
                    or name == "word"
                    or name in schema_page.RECORDS
                    or (schema_page.about(name) or name == "schema_migration")
                ), f"{name} has no comment in front of it"
