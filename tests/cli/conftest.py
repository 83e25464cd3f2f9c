"""A database to look at: made once by the real supervisor, copied for each test."""

from __future__ import annotations

from tests.audit.conftest import database, original

__all__ = ["database", "original"]
