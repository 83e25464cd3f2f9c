-- The names of all files that a job uses.
SELECT json_group_array(stored_name) FROM (
    SELECT DISTINCT stored_name FROM attachment INDEXED BY attachment_stored
)
