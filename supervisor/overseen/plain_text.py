"""Text of users on its way to the store: for people, so it is made fit rather than refused."""

from __future__ import annotations

from typing import Final

__all__ = ["TEXT_CHARACTERS_MAX", "plain_text"]

TEXT_CHARACTERS_MAX: Final = 4_000


def plain_text(text: str) -> str:
    r"""Cut a text, and write out what cannot be stored: lone surrogates and NUL.

    >>> plain_text("a\0b\udc80")
    'a\\x00b\\udc80'
    """
    cut = str(text)[:TEXT_CHARACTERS_MAX]
    return cut.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
