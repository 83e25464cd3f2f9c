-- The files of one job by name: the columns of `AttachmentRecord`, in its order.
SELECT job_id, name, digest, size_bytes, stored_name, created_at
FROM attachment WHERE job_id = :job_id ORDER BY name
