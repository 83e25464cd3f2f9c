-- How many files a job was given, and how many it still has.
SELECT attachments, (SELECT count(*) FROM attachment WHERE attachment.job_id = job.id)
FROM job WHERE id = :id
