-- The stamp of the last event.
SELECT at FROM ledger ORDER BY seq DESC LIMIT 1
