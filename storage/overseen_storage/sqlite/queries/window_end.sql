-- The last of the next :window rows of the ledger after a seq.
SELECT max(seq) FROM (
    SELECT seq FROM ledger WHERE seq > :after AND seq <= :up_to ORDER BY seq LIMIT :window
)
