-- As much of a batch as decides about an order.
SELECT status, stopped FROM batch WHERE id = :id
