-- Write one event.
INSERT INTO ledger (seq, at, type, cause, job_id, status, fence, reason, data, queue, batch_id)
VALUES (:seq, :at, :type, :cause, :job_id, :status, :fence, :reason, :data, :queue, :batch_id)
