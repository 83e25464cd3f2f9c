-- Where the history of a batch begins.
SELECT min(seq) FROM ledger INDEXED BY ledger_batch
WHERE batch_id = :id AND batch_id IS NOT NULL
