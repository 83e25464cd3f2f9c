-- An epoch ends on purpose.
UPDATE epoch SET stopped_at = :at WHERE id = :id AND stopped_at IS NULL
