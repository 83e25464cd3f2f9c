-- CANCEL of a waiting job whose key a newer one takes.
UPDATE job SET
    status = 10 /* cancelled */,
    completed_at = :at,
    changed_at = :at,
    reason = 9 /* replaced */,
    cause = :cause,
    held = NULL,
    due_at = NULL,
    due_wall_at = NULL,
    expires_at = NULL
WHERE
    id = :id
    AND status IN (1 /* draft */, 3 /* scheduled */, 4 /* pending */, 7 /* retrying */)
