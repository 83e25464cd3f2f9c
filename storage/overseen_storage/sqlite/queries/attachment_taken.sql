-- Whether a job has a file of this name.
SELECT 1 FROM attachment WHERE job_id = :id AND name = :name
