-- The ledger's height, and up to where it may have been pruned.
SELECT
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'ledger'), 0),
    (SELECT value FROM meta WHERE key = 'pruned_to')
