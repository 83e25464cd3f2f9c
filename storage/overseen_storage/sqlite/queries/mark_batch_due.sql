-- A batch waits to be finalized.
UPDATE batch SET due = 1 WHERE id = :id AND status = 2 /* processing */ AND due = 0
