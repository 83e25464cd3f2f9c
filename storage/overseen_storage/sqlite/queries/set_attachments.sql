-- How many files a job was given.
UPDATE job SET attachments = :attachments WHERE id = :id
