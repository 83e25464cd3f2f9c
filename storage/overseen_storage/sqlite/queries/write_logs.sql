-- Store log lines of jobs that are still there. :rows is an array of lines.
INSERT INTO log_line (job_id, fence, at, level, message, data)
SELECT
    json_extract(entry.value, '$[0]'), json_extract(entry.value, '$[1]'),
    json_extract(entry.value, '$[2]'), json_extract(entry.value, '$[3]'),
    json_extract(entry.value, '$[4]'), json_extract(entry.value, '$[5]')
FROM json_each(:rows) AS entry
WHERE EXISTS (SELECT 1 FROM job WHERE id = json_extract(entry.value, '$[0]'))
