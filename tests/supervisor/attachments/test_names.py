"""What an attachment may be called."""

from __future__ import annotations

from typing import cast

import pytest

from overseen.attachments import InvalidAttachmentName, check_attachment_name

GOOD = [
    "input",
    "input.mp4",
    "Überweisung März.pdf",
    "..x",
    ".hidden",
    "👩‍🔬",
    "x" * 200,
    "日" * 200,
    " ",
]

BAD: list[tuple[object, str]] = [
    ("", "0 characters"),
    ("x" * 201, "201 characters"),
    (".", "a path"),
    ("..", "a path"),
    ("a/b", "path separator"),
    ("/etc/passwd", "path separator"),
    ("..\\x", "path separator"),
    ("a\0", r"control character '\\x00'"),
    ("a\nb", r"control character '\\n'"),
    ("a\x7f", "control character"),
    ("a\x85", "control character"),
    ("a\ud800", r"half a character, '\\ud800'"),
    (b"input", "a bytes, not a str"),
    (None, "a NoneType, not a str"),
]


@pytest.mark.parametrize("name", GOOD)
def test_a_name_that_can_be_read_is_taken(name: str) -> None:
    """Any script, blanks and points included: no file has this name."""
    check_attachment_name(name)


@pytest.mark.parametrize(("name", "problem"), BAD)
def test_a_name_with_a_path_or_something_invisible_is_refused(name: object, problem: str) -> None:
    """The error says what is wrong with it, and what would do."""
    with pytest.raises(InvalidAttachmentName, match=problem) as caught:
        check_attachment_name(cast("str", name))

    assert caught.value.name == name
    assert "Use a plain name" in str(caught.value)
    str(caught.value).encode()  # can be shown and logged, whatever the name was
