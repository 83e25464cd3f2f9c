"""`overseen verify`: whether every promise about a database was kept, for people and programs."""

from __future__ import annotations

from overseen.verifying.command import verify

__all__ = ["verify"]
