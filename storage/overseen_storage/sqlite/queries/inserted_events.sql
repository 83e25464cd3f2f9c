-- Tell of the jobs that were just created, from their rows: no JSON is read twice.
INSERT INTO ledger (seq, at, type, cause, job_id, status)
SELECT
    :seq + id - :first_id, created_at,
    CASE status
        WHEN 4 /* pending */ THEN 1 /* submitted */
        WHEN 3 /* scheduled */ THEN 2 /* scheduled */
        WHEN 1 /* draft */ THEN 3 /* drafted */
    END,
    cause, id, status
FROM job WHERE id BETWEEN :first_id AND :last_id
