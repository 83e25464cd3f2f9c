-- The highest seq and stamp among the events of :ids (an array), and how many there are.
SELECT max(seq), max(at), count(*) FROM ledger INDEXED BY ledger_job
WHERE job_id IN (SELECT value FROM json_each(:ids)) AND job_id IS NOT NULL
