-- A file belongs to a draft from now on.
INSERT INTO attachment (job_id, name, digest, size_bytes, stored_name, created_at)
VALUES (:id, :name, :digest, :size_bytes, :stored_name, :at)
