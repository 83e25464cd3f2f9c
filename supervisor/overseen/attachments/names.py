"""Which names are taken: those that users give, and those that files have in the folder."""

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
_OURS = re.compile(r"[0-9]+-[0-9]+-[0-9]+(?:\.part)?")


def check_attachment_name(name: str) -> None:
    """Raise InvalidAttachmentName unless `name` can name an attachment.

    It is what a body asks for, `ctx.attachments["input.mp4"]`; no file ever has this name, so it
    needs no more care than to be readable: 1 to 200 characters, no path, nothing invisible.

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
    for character in name:
        match unicodedata.category(character):
            case "Cc":
                return f"it holds the control character {character!a}"
            case "Cs":
                return f"it holds half a character, {character!a}"
            case _:
                pass
    return ""


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
