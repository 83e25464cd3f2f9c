"""The ground of `overseen.codec`: one type's values, written and read with every check.

A value is checked where it is sent, by reading back what was written: that proves that it fits
its type and that it can be read when the job starts. Three C calls, about 0.3 us for a small one.
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeAlias, cast

import msgspec

from overseen.errors import InvalidPayload, PayloadTooLarge
from overseen.foreign_types import decode_foreign, encode_foreign
from overseen.json_types import is_free_form, is_text
from overseen.json_values import Refusal, find_not_finite, find_not_plain, find_unencodable

__all__ = ["ValueChecker", "same"]

_Invalid: TypeAlias = type[InvalidPayload]

_ENCODER: Final = msgspec.json.Encoder(enc_hook=encode_foreign)
_ORDERED: Final = msgspec.json.Encoder(enc_hook=encode_foreign, order="deterministic")
_AT: Final = re.compile(r"(?P<reason>.*) - at `(?P<path>[^`]+)`(?: in `(?P<place>[^`]+)`)?", re.S)
_TOO_DEEP: Final = "it is nested too deeply, or contains itself"


class ValueChecker:
    """Writes and reads values of one type. The shared ground of arguments and results."""

    __slots__ = ("_decode", "_error", "kind")

    def __init__(self, kind: str, annotation: object, error: _Invalid) -> None:
        self.kind = kind
        self._error = error
        self._decode = msgspec.json.Decoder(cast(Any, annotation), dec_hook=decode_foreign).decode

    def write(self, value: object, limit: int) -> tuple[str, object]:
        """Return the JSON of a value, and the value as it will be read. Raises InvalidPayload."""
        try:
            data = _ENCODER.encode(value)
        except Exception as error:
            raise self._unencodable(value, error) from None
        if len(data) > limit:
            raise PayloadTooLarge(self.kind, size=len(data), limit=limit)
        try:
            back = self._decode(data)
        except Exception as error:
            self._refuse(find_not_finite(value))  # NaN became null: say that, not "got null"
            raise self._unreadable(error) from None
        if b"null" in data:  # the only form in which NaN and infinities get here
            self._refuse(find_not_finite(value))
        return data.decode(), back

    def read(self, text: str) -> object:
        """Return the value that JSON text stands for. Raises InvalidPayload."""
        try:
            return self._decode(text)
        except Exception as error:
            raise self._unreadable(error) from None

    def in_order(self, text: str) -> str:
        """Return JSON text with sets and mappings in a fixed order, where there is one."""
        try:
            return _ORDERED.encode(self.read(text)).decode()
        except TypeError:
            return text

    def look_closer(self, annotation: object, value: object, path: str) -> None:
        """Refuse a value that would arrive as another than was sent, as far as its type tells."""
        if is_free_form(annotation):
            self.require_plain(value, path)
        elif is_text(annotation):
            self.require_text(value, path)

    def require_plain(self, value: object, path: str) -> None:
        """Refuse what would arrive as something else for want of an annotation."""
        found = find_not_plain(value)
        if found is not None:
            raise self._error(self.kind, path + found.path[1:], found.reason)

    def require_text(self, value: object, path: str) -> None:
        """Refuse what is not text but looks like it as JSON: bytes, a datetime, a path."""
        if value is not None and not isinstance(value, str):
            reason = f"Expected `str`, got `{type(value).__qualname__}`"
            raise self._error(self.kind, path, reason)

    def _refuse(self, found: Refusal | None) -> None:
        if found is not None:
            raise self._error(self.kind, found.path, found.reason)

    def _unencodable(self, value: object, error: Exception) -> InvalidPayload:
        if isinstance(error, RecursionError):
            return self._error(self.kind, "$", _TOO_DEEP)
        found = find_unencodable(value) or Refusal("$", str(error))
        return self._error(self.kind, found.path, found.reason)

    def _unreadable(self, error: Exception) -> InvalidPayload:
        if isinstance(error, RecursionError):
            return self._error(self.kind, "$", _TOO_DEEP)
        match = _AT.fullmatch(str(error))
        if match is None:
            return self._error(self.kind, "$", str(error))
        place = f"{match['path']} in {match['place']}" if match["place"] else match["path"]
        return self._error(self.kind, place, match["reason"])


def same(back: object, value: object) -> bool:
    """Compare, in C, what was read back with what was written; when in doubt, no."""
    try:
        return bool(back == value)
    except Exception:  # the value's own __eq__: a doubt only costs a closer look
        return False
