-- Jobs by queue and status: reads every row.
SELECT queue, status, count(*) FROM job GROUP BY queue, status
