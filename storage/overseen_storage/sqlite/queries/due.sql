-- Jobs whose time has come, earliest first.
SELECT json_group_array(id) FROM (
    SELECT id FROM (
        SELECT id, due_at AS due FROM (
            SELECT id, due_at FROM job INDEXED BY job_due
            WHERE due_at IS NOT NULL AND status IN (3, 7) AND due_at <= :now
            ORDER BY due_at LIMIT :limit
        )
        UNION ALL
        SELECT id, due_wall_at AS due FROM (
            SELECT id, due_wall_at FROM job INDEXED BY job_due_wall
            WHERE due_wall_at IS NOT NULL AND status IN (3, 7) AND due_wall_at <= :now_wall
            ORDER BY due_wall_at LIMIT :limit
        )
    )
    GROUP BY id ORDER BY min(due), id LIMIT :limit
)
