-- The highest seq, job id and stamp on disk; pruned ones too.
SELECT
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'ledger'), 0),
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'job'), 0),
    max(
        coalesce((SELECT value FROM meta WHERE key = 'last_stamp'), 0),
        coalesce((SELECT at FROM ledger ORDER BY seq DESC LIMIT 1), 0)
    )
