"""Unique indexes that let equal values in: what the schema itself would refuse."""

from __future__ import annotations

from tests.sim.mutants.planting import Code, code

from overseen_storage.sqlite import opening

_MIGRATES = "        migrate(connection, version, at=at, app_version=safe(app_version))\n"


def not_unique(index: str, columns: str, where: str) -> Code:
    """From each start on."""
    return code(
        opening,
        "begin_epoch",
        (
            _MIGRATES,
            f"{_MIGRATES}"
            f"        connection.execute('DROP INDEX {index}')\n"
            f"        connection.execute("
            f"'CREATE INDEX {index} ON job ({columns}) WHERE {where}')\n",
        ),
    )
