-- Which of :ids (an array) are no batches, or take no members any more, as an array of [id, status].
SELECT json_group_array(json_array(entry.value, batch.status))
FROM json_each(:ids) AS entry
LEFT JOIN batch ON batch.id = entry.value
WHERE batch.status IS NULL OR batch.status <> 1 /* open */
