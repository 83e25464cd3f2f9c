-- A job was submitted because a batch ended.
UPDATE job SET callback_of = :batch_id, callback_event = :event WHERE id = :id
