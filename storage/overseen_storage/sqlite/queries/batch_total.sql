-- How many members a sealed batch has.
SELECT total FROM batch WHERE id = :id
