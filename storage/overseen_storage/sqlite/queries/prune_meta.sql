-- Remember what was pruned.
UPDATE meta SET value = CASE key
    WHEN 'events_pruned' THEN value + :events
    WHEN 'pruned_to' THEN max(value, :seq)
    WHEN 'last_stamp' THEN max(value, :stamp)
    ELSE value
END
