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
    "a b",
    "\u0646\u0627\u0645\u0647\u200c\u0647\u0627.pdf",  # "letters": Persian joins nothing there
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
    (" ", "it is blank"),
    ("\u00a0\u3000", "it is blank"),
    ("\u2800", "it is blank"),
    ("\u3164", "it is blank"),
    ("\u200b", r"invisible character '\\u200b'"),
    ("\u202etxt.exe", r"invisible character '\\u202e'"),
    ("in\u00adput", r"invisible character '\\xad'"),
    ("a\u2028b", r"invisible character '\\u2028'"),
    ("a\u2029b", r"invisible character '\\u2029'"),
    ("\ufeffinput", r"invisible character '\\ufeff'"),
    ("in\u200dput", r"invisible character '\\u200d'"),
    ("é\u200d", r"invisible character '\\u200d'"),
    ("\u200c", r"invisible character '\\u200c'"),
    (b"input", "a bytes, not a str"),
    (None, "a NoneType, not a str"),
]


@pytest.mark.parametrize("name", GOOD)
def test_a_name_that_can_be_read_is_taken(name: str) -> None:
    """Any script, blanks and points included, and the joiners that some scripts and pictures need:
    no file has this name."""
    check_attachment_name(name)


@pytest.mark.parametrize(("name", "problem"), BAD)
def test_a_name_with_a_path_or_something_invisible_is_refused(name: object, problem: str) -> None:
    """The error says what is wrong with it, and what would do."""
    with pytest.raises(InvalidAttachmentName, match=problem) as caught:
        check_attachment_name(cast("str", name))

    assert caught.value.name == name
    assert "Use a plain name" in str(caught.value)
    str(caught.value).encode()  # can be shown and logged, whatever the name was
