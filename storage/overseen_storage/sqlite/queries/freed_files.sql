-- Stored names that nobody uses any more once the jobs :ids (an array) do not.
SELECT json_group_array(stored_name) FROM (
    SELECT DISTINCT attachment.stored_name
    FROM json_each(:ids) AS entry
    CROSS JOIN attachment ON attachment.job_id = entry.value
    WHERE NOT EXISTS (
        SELECT 1 FROM attachment AS other INDEXED BY attachment_stored
        WHERE other.stored_name = attachment.stored_name
            AND other.job_id NOT IN (SELECT value FROM json_each(:ids))
    )
)
