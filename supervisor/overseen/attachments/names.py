"""Which names will do: those that users give, and those that files have in the folder."""

from __future__ import annotations

import re
import unicodedata

from overseen.attachments.errors import AttachmentDamaged, Damage, InvalidAttachmentName

__all__ = [
    "NAME_LENGTH_MAX",
    "PART_SUFFIX",
    "check_attachment_name",
    "check_stored_name",
    "is_ours",
]

NAME_LENGTH_MAX = 200
PART_SUFFIX = ".part"  # of a file that is still being written

_PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_JOINERS = frozenset("\u200c\u200d")
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and signs that show nothing
_OURS = re.compile(r"[0-9]+-[0-9]+-[0-9]+(?:\.part)?")


def check_attachment_name(name: str) -> None:
    """Raise InvalidAttachmentName unless `name` can name an attachment.

    It is what a body asks for, `ctx.attachments["input.mp4"]`; no file ever has this name, so it
    needs no more care than to be readable: 1 to 200 characters, no path, something to see, nothing
    invisible but the joiners within words of Persian, Hindi and others, and within emoji.

        check_attachment_name("Überweisung März.pdf")
    """
    if problem := _problem(name):
        raise InvalidAttachmentName(name, problem)


def _problem(name: object) -> str:
    if not isinstance(name, str):
        return f"it is a {type(name).__qualname__}, not a str"
    if not 1 <= len(name) <= NAME_LENGTH_MAX:
        return f"it has {len(name)} characters"
    if "/" in name or "\\" in name:
        return "it holds a path separator"
    if name in {".", ".."}:
        return "it is a path"
    for at in range(len(name)):
        if problem := _unreadable(name, at):
            return problem
    return "it is blank" if all(map(_is_blank, name)) else ""


def _unreadable(name: str, at: int) -> str:
    """Why the character there cannot be read, or ""."""
    character = name[at]
    match unicodedata.category(character):
        case "Cc":
            return f"it holds the control character {character!a}"
        case "Cs":
            return f"it holds half a character, {character!a}"
        case "Cf" | "Zl" | "Zp" if not _joins(name, at):
            return f"it holds the invisible character {character!a}"
        case _:
            return ""


def _joins(name: str, at: int) -> bool:
    """Whether it is a joiner, or its contrary, between two characters that may need one."""
    neighbours = name[at - 1 : at] + name[at + 1 : at + 2]
    return name[at] in _JOINERS and len(neighbours) == 2 and not any(map(str.isascii, neighbours))


def _is_blank(character: str) -> bool:
    return character.isspace() or character in _FILLERS


def check_stored_name(stored_name: str) -> None:
    """Raise AttachmentDamaged unless `stored_name` is plain, so that it cannot leave the folder."""
    if not _is_plain(stored_name) or stored_name.endswith(PART_SUFFIX):
        raise AttachmentDamaged(
            stored_name, Damage.NAME, expected="letters, digits, '.' and '-'", found="another name"
        )


def is_ours(file_name: str) -> bool:
    """Whether a file in the folder is one of overseen's, whole or in the making: job, epoch and
    number. Anything else that somebody put there is left alone."""
    return len(file_name) <= NAME_LENGTH_MAX and _OURS.fullmatch(file_name) is not None


def _is_plain(name: str) -> bool:
    fits = 1 <= len(name) <= NAME_LENGTH_MAX and _PLAIN.fullmatch(name) is not None
    return fits and ".." not in name
