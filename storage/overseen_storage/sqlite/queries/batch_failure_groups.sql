-- Failed members of a batch by kind, reason and class of their error, most frequent first. The
-- class stands in front in the error: it is cut out, unless a character in it is escaped, because
-- parsing a hundred thousand tracebacks takes twice as long.
SELECT json_group_array(json_array(kind, reason, type, count, first, message)) FROM (
    SELECT
        kind, reason, type, count, first,
        (SELECT json_extract(job.error, '$.message') FROM job WHERE job.id = first) AS message
    FROM (
        SELECT
            kind, reason, count(*) AS count, min(id) AS first,
            CASE
                WHEN instr(substr(error, 1, instr(error, '","')), '\') = 0
                    AND substr(error, 1, 9) = '{"type":"'
                    THEN substr(error, 10, instr(error, '","') - 10)
                ELSE json_extract(error, '$.type')
            END AS type
        FROM job INDEXED BY job_batch_spoiled
        WHERE
            batch_id = :id AND batch_id IS NOT NULL
            AND status IN (9, 10) AND status = 9 /* failed */
        GROUP BY kind, reason, type
    )
    ORDER BY count DESC, first LIMIT :limit
)
