"""The list of questions, as the file that the demo uploads."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from overseen.demo import listing
from overseen.demo.listing import Entry

ENTRIES = [Entry("imports", "/a/b.py"), Entry("definitions", "/a/line\nbreak.py", True)]


def test_what_was_written_is_read_whatever_a_file_is_called(tmp_path: Path) -> None:
    """A list survives being a file, with names that have line breaks in them."""
    assert listing.read(listing.write(tmp_path, ENTRIES)) == ENTRIES


def test_the_same_questions_are_the_same_list(tmp_path: Path) -> None:
    """The name tells the content: the same twice, another one for other questions."""
    first = listing.write(tmp_path, ENTRIES)
    written_at = first.stat().st_mtime_ns

    assert listing.write(tmp_path, ENTRIES) == first
    assert first.stat().st_mtime_ns == written_at
    assert listing.write(tmp_path, ENTRIES[:1]) != first


def test_a_spoilt_list_is_written_anew(tmp_path: Path) -> None:
    """What was broken off, by a full disk say, is not taken for the list."""
    path = listing.write(tmp_path, ENTRIES)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(msgspec.DecodeError):
        listing.read(path)

    assert listing.read(listing.write(tmp_path, ENTRIES)) == ENTRIES


def test_no_question_is_a_list_too(tmp_path: Path) -> None:
    """A demo of one job asks nothing, and uploads that."""
    assert listing.read(listing.write(tmp_path, [])) == []
