-- Somebody still works on a draft: it expires later.
UPDATE job SET expires_at = :expires_at WHERE id = :id AND status = 1 /* draft */
