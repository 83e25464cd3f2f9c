-- CANCEL of one draft.
UPDATE job SET
    status = 10 /* cancelled */,
    completed_at = :at,
    changed_at = :at,
    reason = 10 /* draft_discarded */,
    cause = :cause,
    due_at = NULL,
    due_wall_at = NULL,
    expires_at = NULL
WHERE id = :id AND status = 1 /* draft */
