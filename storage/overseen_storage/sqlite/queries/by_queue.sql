-- How many of :ids (an array) are in each queue.
SELECT job.queue, count(*)
FROM json_each(:ids) AS entry
CROSS JOIN job ON job.id = entry.value
GROUP BY job.queue
