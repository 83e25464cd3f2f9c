-- Delete the attachments of :ids (an array); the files are removed when nobody names them.
DELETE FROM attachment WHERE job_id IN (SELECT value FROM json_each(:ids))
