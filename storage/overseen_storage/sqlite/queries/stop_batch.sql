-- Nothing more of a batch is started.
UPDATE batch SET stopped = :reason WHERE id = :id AND finalized_at IS NULL
