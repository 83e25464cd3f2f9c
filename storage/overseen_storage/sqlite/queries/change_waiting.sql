-- An operator changes a job that waits, or the priority of a draft.
UPDATE job SET
    changed_at = :at,
    status = CASE WHEN :promote THEN 4 /* pending */ ELSE status END,
    priority = coalesce(:priority, priority),
    ready_at = CASE WHEN :promote THEN :at ELSE ready_at END,
    expires_at = CASE WHEN :promote THEN :at + queue_timeout_us ELSE expires_at END,
    due_at = CASE WHEN :promote THEN NULL WHEN :new_due THEN :due_at ELSE due_at END,
    due_wall_at = CASE
        WHEN :promote THEN NULL
        WHEN :new_due THEN :due_wall_at
        ELSE due_wall_at
    END,
    held = CASE WHEN :release THEN NULL ELSE held END,
    reason = CASE WHEN :promote THEN :reason ELSE reason END,
    cause = CASE WHEN :promote THEN :cause ELSE cause END
WHERE
    id = :id
    AND status IN (1 /* draft */, 3 /* scheduled */, 4 /* pending */, 7 /* retrying */)
