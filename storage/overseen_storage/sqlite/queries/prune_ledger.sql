-- Delete the events of :ids (an array).
DELETE FROM ledger WHERE job_id IN (SELECT value FROM json_each(:ids)) AND job_id IS NOT NULL
