-- Whether a batch is not finalized, and whether one of those was stopped.
SELECT
    EXISTS (SELECT 1 FROM batch INDEXED BY batch_unfinalized WHERE finalized_at IS NULL),
    EXISTS (
        SELECT 1 FROM batch INDEXED BY batch_stopped
        WHERE stopped IS NOT NULL AND finalized_at IS NULL
    )
