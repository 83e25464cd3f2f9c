-- A job has the same files as the one that it is a retry of.
INSERT INTO attachment (job_id, name, digest, size_bytes, stored_name, created_at)
SELECT :id, name, digest, size_bytes, stored_name, :at
FROM attachment WHERE job_id = :retried_from
