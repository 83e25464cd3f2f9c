-- Tell of the jobs that were just held or released, all of :ids (an array).
INSERT INTO ledger (seq, at, type, cause, job_id, data)
SELECT :seq + entry.key, :at + entry.key, :type, 5 /* supervisor */, entry.value, :data
FROM json_each(:ids) AS entry
