-- As much of a row as decides about a change.
SELECT status, fence, held, queue FROM job WHERE id = :id
