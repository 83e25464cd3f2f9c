-- The first schema. It already holds what later features need, because SQLite cannot alter a
-- CHECK, nor add columns that are unique together, without rebuilding the table.
--
-- Small integers stand for words (the table `word` tells them, the views show them): constraints
-- and indexes over text cost 8 us a job. Stamps (..._at) are microseconds since the Unix epoch,
-- durations (..._us) microseconds. Updates rewrite a whole row, so what changes stands in front.

CREATE TABLE job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    status INTEGER NOT NULL,
    fence INTEGER NOT NULL DEFAULT 0,
    priority INTEGER NOT NULL DEFAULT 0,
    queue TEXT NOT NULL,
    kind TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,     -- stamp of the last event that changed this row
    ready_at INTEGER,
    started_at INTEGER,
    attempt_started_at INTEGER,
    completed_at INTEGER,
    epoch INTEGER,
    cause INTEGER NOT NULL,
    reason INTEGER,
    held INTEGER,
    stop_reason INTEGER,
    deadline_at INTEGER,
    expires_at INTEGER,
    due_at INTEGER,
    due_wall_at INTEGER,
    failures INTEGER NOT NULL DEFAULT 0,
    losses INTEGER NOT NULL DEFAULT 0,
    interruptions INTEGER NOT NULL DEFAULT 0,
    snoozes INTEGER NOT NULL DEFAULT 0,
    warnings INTEGER NOT NULL DEFAULT 0,
    attachments INTEGER NOT NULL DEFAULT 0,
    retries INTEGER NOT NULL DEFAULT 0,
    losses_allowed INTEGER NOT NULL DEFAULT 3,
    arguments TEXT NOT NULL,         -- JSON object
    result TEXT,                     -- JSON
    error TEXT,                      -- JSON: type, message, traceback
    progress TEXT,                   -- JSON: done, total, message, stage
    checkpoint TEXT,                 -- JSON
    timeout_us INTEGER,
    heartbeat_us INTEGER,
    grace_us INTEGER,
    queue_timeout_us INTEGER,
    key TEXT,
    idempotency_key TEXT,
    labels TEXT,                     -- JSON object of short strings
    headers TEXT,                    -- JSON object of strings (trace context)
    parent_id INTEGER,
    retried_from INTEGER,
    batch_id INTEGER,
    concurrency_key TEXT,            -- reserved
    schedule_id INTEGER,             -- reserved: with fire_time, at most one job for each firing
    fire_time INTEGER,
    callback_of INTEGER,             -- a batch; with callback_event, one job for each
    callback_event TEXT,

    CONSTRAINT status_is_known CHECK (status BETWEEN 1 AND 10),
    CONSTRAINT cause_is_known CHECK (cause BETWEEN 1 AND 99),
    CONSTRAINT reason_is_known CHECK (reason BETWEEN 1 AND 99),
    CONSTRAINT stop_reason_only_while_live CHECK (stop_reason IS NULL OR status IN (5, 6)),
    CONSTRAINT held_only_when_pending CHECK (held IS NULL OR (status = 4 AND held BETWEEN 1 AND 99)),
    CONSTRAINT priority_in_range CHECK (priority BETWEEN -1000 AND 1000),
    CONSTRAINT names_have_a_length CHECK (
        length(kind) BETWEEN 1 AND 200 AND length(queue) BETWEEN 1 AND 200
    ),
    CONSTRAINT keys_have_a_length CHECK (
        length(key) BETWEEN 1 AND 500 AND length(idempotency_key) BETWEEN 1 AND 500
    ),

    CONSTRAINT ended_exactly_when_terminal CHECK ((completed_at IS NOT NULL) = (status >= 8)),
    CONSTRAINT result_only_when_completed CHECK (result IS NULL OR status = 8),
    CONSTRAINT pending_has_been_ready CHECK (status <> 4 OR ready_at IS NOT NULL),
    CONSTRAINT ready_after_created CHECK (ready_at >= created_at),
    CONSTRAINT started_after_created CHECK (started_at > created_at),
    CONSTRAINT attempt_started_after_started CHECK (attempt_started_at >= started_at),
    CONSTRAINT ended_after_attempt_started CHECK (completed_at > attempt_started_at),
    CONSTRAINT changed_after_created CHECK (changed_at >= created_at),
    CONSTRAINT stamps_are_positive CHECK (created_at > 0),
    CONSTRAINT started_exactly_when_fenced CHECK (
        fence >= 0
        AND (fence > 0) = (started_at IS NOT NULL)
        AND (fence > 0) = (attempt_started_at IS NOT NULL)
        AND (fence > 0) = (epoch IS NOT NULL)
    ),
    CONSTRAINT live_has_started CHECK (status NOT IN (5, 6, 8) OR fence > 0),
    CONSTRAINT deadline_only_while_live CHECK (deadline_at IS NULL OR status IN (5, 6)),
    CONSTRAINT expires_only_while_waiting CHECK (expires_at IS NULL OR status IN (1, 4)),
    CONSTRAINT due_only_while_delayed CHECK (
        (due_at IS NULL AND due_wall_at IS NULL) OR status IN (1, 3, 7)
    ),
    CONSTRAINT delayed_has_a_time CHECK (
        status NOT IN (3, 7) OR due_at IS NOT NULL OR due_wall_at IS NOT NULL
    ),
    CONSTRAINT counters_count CHECK (
        failures >= 0 AND losses >= 0 AND interruptions >= 0 AND snoozes >= 0 AND warnings >= 0
        AND attachments >= 0
    ),
    CONSTRAINT budgets_count CHECK (retries >= 0 AND losses_allowed >= 0),
    -- At most 100 years: added to a stamp they must stay integers, else no claim would succeed.
    CONSTRAINT durations_in_range CHECK (
        timeout_us BETWEEN 1 AND 3153600000000000
        AND heartbeat_us BETWEEN 1 AND 3153600000000000
        AND grace_us BETWEEN 0 AND 3153600000000000
        AND queue_timeout_us BETWEEN 0 AND 3153600000000000
    ),
    CONSTRAINT arguments_are_json CHECK (json_valid(arguments)),
    CONSTRAINT labels_are_json CHECK (labels IS NULL OR json_valid(labels)),
    CONSTRAINT schedule_with_fire_time CHECK ((schedule_id IS NULL) = (fire_time IS NULL)),
    CONSTRAINT callback_with_event CHECK ((callback_of IS NULL) = (callback_event IS NULL))
) STRICT;

-- Partial indexes, so that millions of ended rows cost the waiting ones nothing. Those that the
-- way submit, claim, complete need not touch are built over columns it does not set.
-- batch_id is in it so that members of stopped batches are passed over without reading their rows.
CREATE INDEX job_claimable ON job (queue, priority DESC, ready_at, id, batch_id)
    WHERE status = 4 AND held IS NULL;
CREATE INDEX job_live ON job (id) WHERE status IN (5, 6);
CREATE INDEX job_ended ON job (status, completed_at) WHERE completed_at IS NOT NULL;
CREATE INDEX job_due ON job (due_at) WHERE due_at IS NOT NULL AND status IN (3, 7);
CREATE INDEX job_due_wall ON job (due_wall_at) WHERE due_wall_at IS NOT NULL AND status IN (3, 7);
CREATE INDEX job_expiring ON job (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX job_held ON job (held, kind, id) WHERE held IS NOT NULL;
CREATE INDEX job_batch ON job (batch_id, id) WHERE batch_id IS NOT NULL;
CREATE INDEX job_batch_open ON job (batch_id) WHERE batch_id IS NOT NULL AND completed_at IS NULL;
-- The few that did not complete: what stops a batch, and how its members are counted.
CREATE INDEX job_batch_spoiled ON job (batch_id, status)
    WHERE batch_id IS NOT NULL AND status IN (9, 10);
CREATE UNIQUE INDEX job_key ON job (key) WHERE key IS NOT NULL AND completed_at IS NULL;
CREATE UNIQUE INDEX job_idempotency ON job (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE UNIQUE INDEX job_firing ON job (schedule_id, fire_time) WHERE schedule_id IS NOT NULL;
CREATE UNIQUE INDEX job_callback ON job (callback_of, callback_event) WHERE callback_of IS NOT NULL;

-- Everything that happened, in commit order. seq has no gaps but those of pruning, which
-- `meta` counts; AUTOINCREMENT keeps a number from being used again.
CREATE TABLE ledger (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    type INTEGER NOT NULL,
    cause INTEGER NOT NULL,
    job_id INTEGER,
    status INTEGER,                  -- of the job after it; NULL for annotations
    fence INTEGER,                   -- the attempt it belongs to
    reason INTEGER,
    data TEXT,                       -- JSON object
    queue TEXT,                      -- of events about a queue; a job's queue is in its row
    batch_id INTEGER                 -- of events about a batch
) STRICT;

CREATE INDEX ledger_job ON ledger (job_id) WHERE job_id IS NOT NULL;
CREATE INDEX ledger_batch ON ledger (batch_id) WHERE batch_id IS NOT NULL;

CREATE TABLE log_line (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id INTEGER NOT NULL REFERENCES job (id),
    fence INTEGER NOT NULL,
    at INTEGER NOT NULL,
    level TEXT NOT NULL CHECK (length(level) BETWEEN 1 AND 20),
    message TEXT NOT NULL,
    data TEXT
) STRICT;

CREATE INDEX log_line_job ON log_line (job_id, id);

CREATE TABLE queue (
    name TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 200),
    paused_at INTEGER,
    paused_by INTEGER,
    CONSTRAINT paused_by_somebody CHECK ((paused_at IS NULL) = (paused_by IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE epoch (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    pid INTEGER NOT NULL,
    host TEXT NOT NULL,
    version TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    stopped_at INTEGER,
    CONSTRAINT stopped_after_started CHECK (stopped_at > started_at)
) STRICT;

-- Files of jobs. The content lies beside the database under `stored_name`, which cannot leave its
-- folder; a retry shares it.
CREATE TABLE attachment (
    job_id INTEGER NOT NULL REFERENCES job (id),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    digest TEXT NOT NULL,            -- sha256, hexadecimal
    size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
    stored_name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    CONSTRAINT digest_is_sha256 CHECK (length(digest) = 64 AND digest NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT stored_name_is_plain CHECK (
        length(stored_name) BETWEEN 1 AND 200
        AND stored_name NOT GLOB '*[^A-Za-z0-9.-]*'
        AND stored_name GLOB '[A-Za-z0-9]*'
        AND stored_name NOT GLOB '*..*'
    ),
    PRIMARY KEY (job_id, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX attachment_stored ON attachment (stored_name);

-- Jobs that are summed up together.
CREATE TABLE batch (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    status INTEGER NOT NULL,
    policy INTEGER NOT NULL CHECK (policy BETWEEN 1 AND 99),
    threshold REAL,                  -- from 1 on a number of failures, below 1 a share of `total`
    stopped INTEGER,                 -- a reason: nothing more of it is started
    due INTEGER NOT NULL DEFAULT 0 CHECK (due IN (0, 1)),
    created_at INTEGER NOT NULL,
    sealed_at INTEGER,
    total INTEGER,                   -- of members, once it is sealed
    finalized_at INTEGER,
    on_finish TEXT,                  -- JSON: the job to submit when it ends
    on_failure TEXT,                 -- JSON: the job to submit when it ends with errors
    aggregate TEXT,                  -- JSON: the job that sums up its members' results
    labels TEXT,
    summary TEXT,                    -- JSON, frozen at finalization
    CONSTRAINT batch_status_is_known CHECK (status BETWEEN 1 AND 5),
    CONSTRAINT threshold_with_policy CHECK ((threshold IS NOT NULL) = (policy = 3)),
    CONSTRAINT threshold_counts CHECK (threshold > 0),
    CONSTRAINT stopped_is_known CHECK (stopped BETWEEN 1 AND 99),
    CONSTRAINT sealed_exactly_when_not_open CHECK ((sealed_at IS NOT NULL) = (status >= 2)),
    CONSTRAINT total_exactly_when_sealed CHECK ((total IS NOT NULL) = (sealed_at IS NOT NULL)),
    CONSTRAINT finalized_exactly_when_ended CHECK ((finalized_at IS NOT NULL) = (status >= 3)),
    CONSTRAINT due_only_while_processing CHECK (due = 0 OR status = 2),
    CONSTRAINT sealed_after_created CHECK (sealed_at > created_at),
    CONSTRAINT finalized_after_sealed CHECK (
        finalized_at IS NULL OR (sealed_at IS NOT NULL AND finalized_at >= sealed_at)
    ),
    CONSTRAINT summary_exactly_when_finalized CHECK (
        (summary IS NULL) = (finalized_at IS NULL)
    )
) STRICT;

CREATE INDEX batch_unfinalized ON batch (id) WHERE finalized_at IS NULL;
CREATE INDEX batch_stopped ON batch (id) WHERE stopped IS NOT NULL AND finalized_at IS NULL;

-- Reserved: what is submitted again and again.
CREATE TABLE schedule (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 200),
    specification TEXT NOT NULL,     -- JSON: when, what, with which arguments
    paused_at INTEGER,
    created_at INTEGER NOT NULL,
    last_fire_time INTEGER,
    next_fire_time INTEGER
) STRICT;

-- Numbers about the file itself.
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (key, value) VALUES
    ('events_pruned', 0),            -- max(seq) - count(*) of the ledger is this
    ('pruned_to', 0),                -- the highest seq that was deleted
    ('last_stamp', 0);               -- no lower than any stamp that pruning deleted

CREATE TABLE schema_migration (
    version INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,          -- sha256 of the migration's text
    applied_at INTEGER NOT NULL,
    app_version TEXT NOT NULL
) STRICT;

CREATE TABLE word (
    family TEXT NOT NULL,
    code INTEGER NOT NULL,
    word TEXT NOT NULL,
    PRIMARY KEY (family, code),
    UNIQUE (family, word)
) STRICT, WITHOUT ROWID;

INSERT INTO word (family, code, word) VALUES
    ('status', 1, 'draft'),
    ('status', 2, 'blocked'),
    ('status', 3, 'scheduled'),
    ('status', 4, 'pending'),
    ('status', 5, 'running'),
    ('status', 6, 'cancelling'),
    ('status', 7, 'retrying'),
    ('status', 8, 'completed'),
    ('status', 9, 'failed'),
    ('status', 10, 'cancelled'),
    ('reason', 1, 'error'),
    ('reason', 2, 'timeout'),
    ('reason', 3, 'silent'),
    ('reason', 4, 'lost'),
    ('reason', 5, 'invalid'),
    ('reason', 6, 'expired'),
    ('reason', 7, 'abandoned'),
    ('reason', 8, 'requested'),
    ('reason', 9, 'replaced'),
    ('reason', 10, 'draft_discarded'),
    ('reason', 11, 'draft_expired'),
    ('reason', 12, 'shutdown'),
    ('reason', 13, 'snoozed'),
    ('reason', 14, 'batch_policy'),
    ('reason', 15, 'operator'),
    ('cause', 1, 'caller'),
    ('cause', 2, 'body'),
    ('cause', 3, 'watchdog'),
    ('cause', 4, 'scheduler'),
    ('cause', 5, 'supervisor'),
    ('cause', 6, 'recovery'),
    ('cause', 7, 'operator'),
    ('cause', 8, 'batch'),
    ('held', 1, 'unregistered'),
    ('held', 2, 'lost'),
    ('held', 3, 'operator'),
    ('event', 1, 'submitted'),
    ('event', 2, 'scheduled'),
    ('event', 3, 'drafted'),
    ('event', 4, 'ready'),
    ('event', 5, 'due'),
    ('event', 6, 'promoted'),
    ('event', 7, 'started'),
    ('event', 8, 'completed'),
    ('event', 9, 'retrying'),
    ('event', 10, 'snoozed'),
    ('event', 11, 'requeued'),
    ('event', 12, 'cancelling'),
    ('event', 13, 'cancelled'),
    ('event', 14, 'failed'),
    ('event', 101, 'stopping'),
    ('event', 102, 'stuck'),
    ('event', 103, 'unstuck'),
    ('event', 104, 'progress'),
    ('event', 105, 'warning'),
    ('event', 106, 'checkpoint'),
    ('event', 107, 'late_success'),
    ('event', 108, 'late_failure'),
    ('event', 109, 'held'),
    ('event', 110, 'unheld'),
    ('event', 111, 'changed'),
    ('event', 112, 'retried'),
    ('event', 113, 'queue_paused'),
    ('event', 114, 'queue_resumed'),
    ('event', 115, 'epoch_started'),
    ('event', 116, 'epoch_stopped'),
    ('event', 117, 'degraded'),
    ('event', 118, 'recovered'),
    ('event', 119, 'loop_stalled'),
    ('event', 120, 'batch_opened'),
    ('event', 121, 'batch_sealed'),
    ('event', 122, 'batch_tripped'),
    ('event', 123, 'batch_finalized'),
    ('event', 124, 'batch_cancelling'),
    ('event', 125, 'attached'),
    ('batch_status', 1, 'open'),
    ('batch_status', 2, 'processing'),
    ('batch_status', 3, 'completed'),
    ('batch_status', 4, 'completed_with_errors'),
    ('batch_status', 5, 'cancelled'),
    ('batch_policy', 1, 'continue'),
    ('batch_policy', 2, 'fail_fast'),
    ('batch_policy', 3, 'threshold');

CREATE VIEW job_view AS
SELECT
    job.id,
    job.kind,
    job.queue,
    job.priority,
    (SELECT word FROM word WHERE family = 'status' AND code = job.status) AS status,
    (SELECT word FROM word WHERE family = 'reason' AND code = job.reason) AS reason,
    (SELECT word FROM word WHERE family = 'cause' AND code = job.cause) AS cause,
    (SELECT word FROM word WHERE family = 'held' AND code = job.held) AS held,
    (SELECT word FROM word WHERE family = 'reason' AND code = job.stop_reason) AS stop_reason,
    job.fence AS attempts,
    job.failures,
    job.losses,
    job.interruptions,
    job.snoozes,
    job.warnings,
    strftime('%Y-%m-%d %H:%M:%f', job.created_at / 1e6, 'unixepoch') AS created,
    strftime('%Y-%m-%d %H:%M:%f', job.ready_at / 1e6, 'unixepoch') AS ready,
    strftime('%Y-%m-%d %H:%M:%f', job.due_at / 1e6, 'unixepoch') AS due,
    strftime('%Y-%m-%d %H:%M:%f', job.due_wall_at / 1e6, 'unixepoch') AS due_wall,
    strftime('%Y-%m-%d %H:%M:%f', job.started_at / 1e6, 'unixepoch') AS started,
    strftime('%Y-%m-%d %H:%M:%f', job.completed_at / 1e6, 'unixepoch') AS completed,
    job.arguments,
    job.result,
    job.error,
    job.progress,
    job.checkpoint,
    job.key,
    job.idempotency_key,
    job.labels,
    job.headers,
    job.parent_id,
    job.retried_from,
    job.batch_id,
    job.attachments
FROM job;

CREATE VIEW attachment_view AS
SELECT
    attachment.job_id,
    job.kind,
    (SELECT word FROM word WHERE family = 'status' AND code = job.status) AS status,
    attachment.name,
    attachment.size_bytes,
    attachment.digest,
    attachment.stored_name,
    strftime('%Y-%m-%d %H:%M:%f', attachment.created_at / 1e6, 'unixepoch') AS created
FROM attachment JOIN job ON job.id = attachment.job_id;

-- How far each batch is. What is finalized is told from its summary: its members may be gone.
CREATE VIEW batch_status AS
SELECT
    counted.id,
    counted.name,
    (SELECT word FROM word WHERE family = 'batch_status' AND code = counted.status) AS status,
    (SELECT word FROM word WHERE family = 'batch_policy' AND code = counted.policy) AS policy,
    counted.threshold,
    (SELECT word FROM word WHERE family = 'reason' AND code = counted.stopped) AS stopped,
    coalesce(counted.total, counted.members) AS total,
    counted.unended - counted.running AS waiting,
    counted.running,
    coalesce(
        counted.summary ->> '$.completed',
        coalesce(counted.total, counted.members)
        - counted.unended - counted.failed - counted.cancelled
    ) AS completed,
    coalesce(counted.summary ->> '$.failed', counted.failed) AS failed,
    coalesce(counted.summary ->> '$.cancelled', counted.cancelled) AS cancelled,
    strftime('%Y-%m-%d %H:%M:%f', counted.created_at / 1e6, 'unixepoch') AS created,
    strftime('%Y-%m-%d %H:%M:%f', counted.sealed_at / 1e6, 'unixepoch') AS sealed,
    strftime('%Y-%m-%d %H:%M:%f', counted.finalized_at / 1e6, 'unixepoch') AS finalized
FROM (
    SELECT
        batch.*,
        (SELECT count(*) FROM job WHERE job.batch_id = batch.id) AS members,
        (
            SELECT count(*) FROM job
            WHERE job.batch_id = batch.id AND job.completed_at IS NULL
        ) AS unended,
        (
            SELECT count(*) FROM job
            WHERE
                job.batch_id = batch.id AND job.completed_at IS NULL AND job.status IN (5, 6)
        ) AS running,
        (
            SELECT count(*) FROM job
            WHERE job.batch_id = batch.id AND job.status IN (9, 10) AND job.status = 9
        ) AS failed,
        (
            SELECT count(*) FROM job
            WHERE job.batch_id = batch.id AND job.status IN (9, 10) AND job.status = 10
        ) AS cancelled
    FROM batch
) AS counted;

-- Batches that do not go on by themselves now, and why. One with a member that runs, or can be
-- started, is not among them.
CREATE VIEW stuck_batches AS
SELECT id, name, why, open_members, created FROM (
    SELECT
        looked.id,
        looked.name,
        CASE
            WHEN looked.running > 0 OR looked.startable > 0 AND looked.stopped IS NULL THEN NULL
            WHEN looked.status = 1 THEN 'never sealed'
            WHEN looked.unended = 0 THEN 'due, not finalized'
            WHEN looked.stopped IS NOT NULL THEN 'stopped, members not cancelled yet'
            WHEN looked.held > 0 THEN 'waits for held jobs'
            WHEN looked.pending > 0 THEN 'waits for a paused queue'
            WHEN looked.drafts > 0 THEN 'waits for drafts'
            ELSE 'waits for scheduled jobs'
        END AS why,
        looked.unended AS open_members,
        strftime('%Y-%m-%d %H:%M:%f', looked.created_at / 1e6, 'unixepoch') AS created
    FROM (
        SELECT
            batch.id, batch.name, batch.status, batch.stopped, batch.created_at,
            count(job.id) AS unended,
            count(job.id) FILTER (WHERE job.status IN (5, 6)) AS running,
            count(job.id) FILTER (WHERE job.status = 1) AS drafts,
            count(job.id) FILTER (WHERE job.status = 4) AS pending,
            count(job.id) FILTER (WHERE job.held IS NOT NULL) AS held,
            count(job.id) FILTER (
                WHERE job.status = 4 AND job.held IS NULL
                AND NOT EXISTS (
                    SELECT 1 FROM queue
                    WHERE queue.name = job.queue AND queue.paused_at IS NOT NULL
                )
            ) AS startable
        FROM batch
        LEFT JOIN job ON job.batch_id = batch.id AND job.completed_at IS NULL
        WHERE batch.finalized_at IS NULL
        GROUP BY batch.id
    ) AS looked
)
WHERE why IS NOT NULL;

CREATE VIEW ledger_view AS
SELECT
    ledger.seq,
    strftime('%Y-%m-%d %H:%M:%f', ledger.at / 1e6, 'unixepoch') AS time,
    (SELECT word FROM word WHERE family = 'event' AND code = ledger.type) AS type,
    ledger.job_id,
    job.kind,
    coalesce(ledger.queue, job.queue) AS queue,
    coalesce(ledger.batch_id, job.batch_id) AS batch_id,
    (SELECT word FROM word WHERE family = 'status' AND code = ledger.status) AS status,
    ledger.fence AS attempt,
    (SELECT word FROM word WHERE family = 'reason' AND code = ledger.reason) AS reason,
    (SELECT word FROM word WHERE family = 'cause' AND code = ledger.cause) AS cause,
    ledger.data
FROM ledger LEFT JOIN job ON job.id = ledger.job_id;

-- Every attempt: its start is an event `started`, its end the event that left the live statuses.
CREATE VIEW attempt AS
SELECT
    started.job_id,
    started.fence AS attempt,
    started.at AS started_at,
    ended.at AS ended_at,
    ended.at - started.at AS duration_us,
    coalesce((SELECT word FROM word WHERE family = 'event' AND code = ended.type), 'live') AS outcome,
    (SELECT word FROM word WHERE family = 'reason' AND code = ended.reason) AS reason,
    (SELECT word FROM word WHERE family = 'cause' AND code = ended.cause) AS cause,
    ended.data
FROM ledger AS started
LEFT JOIN ledger AS ended
    ON ended.job_id = started.job_id
    AND ended.fence = started.fence
    AND ended.type IN (8, 9, 10, 11, 13, 14)
WHERE started.type = 7 AND started.job_id IS NOT NULL;
