-- A new batch.
INSERT INTO batch (
    name, status, policy, threshold, created_at, on_finish, on_failure, aggregate, labels
)
VALUES (
    :name, 1 /* open */, :policy, :threshold, :at, :on_finish, :on_failure, :aggregate, :labels
)
