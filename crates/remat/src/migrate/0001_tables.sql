-- The tables of remat. `remat.runs` is the truth about every attempt; its checks mirror the states of a run.

create table remat.views (
    id                   bigint generated always as identity primary key,
    schema_name          text not null check (octet_length(schema_name) between 1 and 63),
    view_name            text not null check (octet_length(view_name) between 1 and 63),
    query                text not null,
    strategy             text not null check (strategy in ('regular', 'concurrent', 'swap', 'merge', 'incremental', 'auto')),
    key_columns          text[] not null default '{}',
    indexes              jsonb not null default '[]',
    schedule             text,
    schedule_zone        text not null default 'UTC',
    target_lag_s         bigint check (target_lag_s > 0),
    row_count            text not null default 'estimated' check (row_count in ('none', 'estimated', 'exact')),
    settings             jsonb not null default '{}',
    tags                 text[] not null default '{}',
    owner_role           text,
    description          text,
    -- the project folder that defines it; null when a program does
    project              text,
    fingerprint          text not null,
    version              integer not null default 1,
    -- what `create` left behind, to notice when somebody else changed it
    relation_oid         oid,
    relation_fingerprint text,
    system_identifier    bigint,
    -- the statements of a merge, so that the SQL interface can run it without a remat process
    program              jsonb,
    -- how its runs reach a worker: queue, priority, overlap, misfire, retries; see schedule/dispatch.rs
    dispatch             jsonb not null default '{}',
    -- the serving copy outside PostgreSQL, if there is one; see publish/mod.rs
    publish              jsonb,
    -- whether a refresh that cannot be incremental fails
    strict               boolean not null default false,
    pause                jsonb,
    retired_at           timestamptz,
    created_at           timestamptz not null default clock_timestamp(),
    updated_at           timestamptz not null default clock_timestamp(),
    unique (schema_name, view_name),
    check ((relation_oid is null) = (relation_fingerprint is null))
);

create table remat.view_versions (
    view_id     bigint not null references remat.views on delete cascade,
    version     integer not null,
    definition  jsonb not null,
    fingerprint text not null,
    changed_at  timestamptz not null default clock_timestamp(),
    changed_by  text not null default session_user,
    primary key (view_id, version)
);

create table remat.runs (
    id             bigint generated always as identity primary key,
    view_id        bigint references remat.views,
    operation      text not null,
    status         text not null,
    strategy       text,
    reason         text,
    trigger        text not null default 'manual' check (trigger in ('schedule', 'lag', 'manual', 'api', 'sql', 'upstream', 'verifier')),
    queue          text not null default 'default',
    backend        text not null default 'inline',
    worker         text,
    -- the row of remat.workers that claimed it; null for a run that a command or a function did at once
    worker_id      bigint,
    attempt        integer not null default 1,
    -- the attempt before this one; what is left to spend on further ones
    retry_of       bigint,
    lock_retries   integer not null default 0,
    work_retries   integer not null default 0,
    -- counts the claims: a worker with an older one changes nothing
    fence          bigint not null default 1,
    -- the options of the operation, as JSON of job.rs; for a SQL job its text
    arguments      jsonb not null default '{}',
    -- the larger, the sooner
    priority       integer not null default 0,
    -- not to be claimed before
    due_at         timestamptz not null default clock_timestamp(),
    -- pending runs with the same key become one
    coalesce_key   text,
    -- runs that must end before this one begins
    waits_for      bigint[] not null default '{}',
    -- the scheduled job and the row of remat.fires that asked for it
    job_name       text,
    fire_id        bigint,
    -- what somebody else calls this request: the same twice is one run
    request_key    text,
    cancel_asked_at timestamptz,
    pid            integer,
    backend_start  timestamptz,
    queued_at      timestamptz not null default clock_timestamp(),
    started_at     timestamptz,
    data_as_of     timestamptz,
    finished_at    timestamptz,
    lock_wait_ms   bigint,
    duration_ms    bigint,
    rows_before    bigint,
    rows_after     bigint,
    rows_inserted  bigint,
    rows_updated   bigint,
    rows_deleted   bigint,
    bytes          bigint,
    error_message  text,
    error_sqlstate text,
    error_detail   text,
    error_hint     text,
    meta           jsonb not null default '{}',
    -- The server reads the text of each check anew for each statement, so each says all about its subject.
    constraint status_holds_its_facts check (case status
        when 'pending'   then started_at is null and finished_at is null
        when 'running'   then started_at is not null and finished_at is null
        when 'success'   then started_at is not null and finished_at is not null and duration_ms is not null
                              and error_message is null and (data_as_of is not null or operation <> 'refresh')
        when 'failed'    then finished_at is not null and error_message is not null
        when 'skipped'   then finished_at is not null and reason is not null
        when 'cancelled' then finished_at is not null
        when 'unknown'   then started_at is not null and finished_at is null
        else false
    end),
    constraint operation_has_its_subject check (case operation
        when 'sql'     then view_id is null and job_name is not null
        when 'refresh' then view_id is not null
        when 'create'  then view_id is not null
        when 'delete'  then view_id is not null
        else false
    end),
    constraint counts_are_not_negative check (least(attempt - 1, lock_retries, work_retries, lock_wait_ms, duration_ms) >= 0)
-- A run changes its status twice, and status is in the condition of some index below, so no update of it is a HOT one:
-- the room that a page keeps free lets the new version stay on the same page, which saves a write of another.
--
-- Vacuum by the defaults would wait for a fifth of the table: two million dead rows among ten million, whose room is not
-- used again meanwhile and over which every search from the old end of an index steps. At a fiftieth it still reads the
-- indexes once per 200,000 dead rows only. Inserts have the same measure, so that index-only scans and freezing keep
-- pace with a table to which rows are only added. The limit is five times the default: one vacuum of ten million runs
-- (5.5 GB) is then a matter of minutes.
) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_limit = 1000, autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_insert_threshold = 10000,
        autovacuum_analyze_scale_factor = 0.02);

-- Each index costs each run that it holds, so most hold only what is rare or what has ended. All runs are in the primary
-- key and in the first; a run that succeeded further in the second.

-- Each change of a run's status writes every index that has its row: so indexes leave out what nobody looks for in them.

-- the last runs of a view
create index runs_of_view on remat.runs (view_id, id desc) where view_id is not null;
-- How fresh a view is: its last refresh that succeeded. The statistics read the durations along with it, which lie
-- scattered over the table otherwise; retention reads it from the other end.
create index runs_that_filled on remat.runs (view_id, data_as_of desc) include (duration_ms)
where status = 'success' and operation = 'refresh';
-- what is at work: few rows, looked at often
create index runs_at_work on remat.runs (view_id, job_name) where status in ('running', 'unknown');
-- what a request may join
create index runs_to_join on remat.runs (coalesce_key) where status = 'pending' and coalesce_key is not null;
-- what the next claim takes
create index runs_pending on remat.runs (priority desc, due_at, id) where status = 'pending';
-- what went wrong, the newest first: few rows among many
create index runs_that_failed on remat.runs (id desc) where status in ('failed', 'cancelled');
-- the same by view, for retention and for the failures of the last day
create index failures_of_view on remat.runs (view_id, finished_at) where status in ('failed', 'cancelled');
-- For retention: what tried nothing, and the SQL jobs that ended well.
create index skips_of_view on remat.runs (view_id, finished_at) where status = 'skipped' and operation <> 'sql';
create index ends_of_sql_job on remat.runs (job_name, finished_at) where status in ('success', 'skipped') and operation = 'sql';
-- What somebody else calls a request: most runs have no such name, and stay out of it.
create unique index runs_request_key on remat.runs (request_key) where request_key is not null;

create table remat.scheduled_jobs (
    name       text primary key check (name <> ''),
    schedule   text not null,
    zone       text not null default 'UTC',
    view_id    bigint references remat.views on delete cascade,
    tag        text,
    sql        text,
    project    text,
    enabled    boolean not null default true,
    dispatch   jsonb not null default '{}',
    -- the newest nominal time that was dealt with
    last_fire  timestamptz,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    constraint one_thing_to_do check (num_nonnulls(view_id, tag, sql) = 1)
);

-- What fell due. The unique keys are the whole agreement between any number of schedulers: whoever inserts the row
-- enqueues its runs in the same transaction, everybody else has nothing to do.
create table remat.fires (
    id          bigint generated always as identity primary key,
    job_name    text,
    view_id     bigint references remat.views on delete cascade,
    -- the nominal time, whenever it was noticed
    fire_at     timestamptz not null,
    recorded_at timestamptz not null default clock_timestamp(),
    -- enqueued: it has runs of its own; joined: runs that waited already do for it
    outcome     text not null check (outcome in ('enqueued', 'joined', 'skipped')),
    -- why it was skipped
    reason      text,
    -- the runs that answer it
    runs        bigint[] not null default '{}',
    -- how many earlier times had been missed and are answered by this row
    missed      integer not null default 0 check (missed >= 0),
    constraint fire_of_one_thing check (num_nonnulls(job_name, view_id) = 1),
    constraint skipped_fire_says_why check ((outcome = 'skipped') = (reason is not null))
);
create unique index fires_of_job on remat.fires (job_name, fire_at) where job_name is not null;
create unique index fires_of_view on remat.fires (view_id, fire_at) where view_id is not null;

-- Processes that claim runs. One whose heartbeat stops, and whose transactions are gone, has lost its runs.
create table remat.workers (
    id           bigint generated always as identity primary key,
    name         text not null,
    version      text not null,
    backend      text not null,
    queues       text[],
    slots        integer not null check (slots > 0),
    state        text not null default 'running' check (state in ('running', 'draining', 'polling')),
    started_at   timestamptz not null default clock_timestamp(),
    heartbeat_at timestamptz not null default clock_timestamp()
) with (fillfactor = 50);

-- How many runs of a queue may be at work at once, over all processes; the queue `*` is all of them together.
create table remat.queues (
    name        text primary key check (name <> ''),
    concurrency integer not null check (concurrency > 0),
    project     text
);

create table remat.events (
    id          bigint generated always as identity primary key,
    at          timestamptz not null default clock_timestamp(),
    actor       text not null default session_user,
    source      text not null,
    action      text not null,
    view_id     bigint references remat.views on delete set null,
    run_id      bigint,
    before      jsonb,
    after       jsonb
);
create index events_of_view on remat.events (view_id, id desc);
