-- As much of a job as decides what can be done with it as a draft.
SELECT status, reason, queue, due_at, due_wall_at FROM job WHERE id = :id
