-- A draft was given a file: it has one more, and expires later.
UPDATE job SET changed_at = :at, attachments = attachments + 1, expires_at = :expires_at
WHERE id = :id AND status = 1 /* draft */
