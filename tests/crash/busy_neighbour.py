"""Another program that writes to the database in transactions of its own: a tool, a backup.

python busy_neighbour.py DATABASE
"""

from __future__ import annotations

import select
import sqlite3
import sys

connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("CREATE TABLE IF NOT EXISTS neighbour (n INTEGER)")
sys.stdout.write("writing\n")
sys.stdout.flush()
while True:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO neighbour VALUES (?)", [(n,) for n in range(1_000)])
    connection.execute("DELETE FROM neighbour")
    connection.execute("COMMIT")
    # Between two transactions it does something else: nothing can help against a program that holds
    # the lock without a pause, for SQLite's waiting is a matter of luck.
    select.select([], [], [], 0.01)
