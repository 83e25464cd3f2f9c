"""The SQLite store: the default place where jobs are kept."""
