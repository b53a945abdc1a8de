-- The queue: how a request becomes a pending run, and how exactly one worker gets it.
--
--   select remat.enqueue_refresh('sales.daily')      a worker will refresh it; the id of the run
--   select remat.enqueue_create('sales.daily')       the same for create,
--   select remat.enqueue_delete('sales.daily')       and for delete
--   select remat.cancel_run(4711)                    a run that waits never begins; one that works is cancelled
--
-- Law: the row in remat.runs is the truth. A request is a row in the caller's transaction, so it is made when that
-- commits and not otherwise. A claim is a change of the row under one advisory lock; a message of any back end only says
-- that it is time to look. A retry is a row of its own, written together with the end of the attempt before it.
-- The clock is the server's.

-- Asking ---------------------------------------------------------------------------------------------------------------

-- Puts a run into the queue. Gives its id and what became of the request:
--   enqueued   a new run waits
--   joined     one that waits already will do
--   skipped    the overlap policy is `skip` and the run of that id waits or works
--
-- A run that waits may be joined only if it begins after the caller has committed: else it could miss what the caller
-- wrote. Outside a transaction block (`may_write` is false) that is so in any case. Within one, the row is locked until
-- the caller commits, and claims pass over locked rows; only rows younger than a second are joined so, that callers who
-- come one after the other cannot hold up the claim for ever. What is enqueued twice nevertheless becomes one run when
-- it is claimed.
--
-- Within a transaction block the notification goes with its commit. Outside of one the caller sends it afterwards: of all
-- commits that notify, the server lets one reach the disk after the other.
create function remat.enqueue_run(
    operation text, of_view bigint, of_job text, arguments jsonb, trigger text, dispatch jsonb, backend text,
    due_at timestamptz, fire_id bigint, waits_for bigint[], of_request text, may_write boolean)
returns table (run_id bigint, outcome text)
language plpgsql set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
  overlap text := coalesce(dispatch->>'overlap', 'coalesce');
  subject text := coalesce('view ' || of_view, 'job ' || of_job);
  key     text := case when overlap = 'coalesce' then concat_ws(' ', operation, subject, arguments) end;
begin
  if overlap = 'skip' then
    select r.id into run_id
    from   remat.runs r
    where  r.status in ('pending', 'running', 'unknown')
    and    (r.view_id = of_view or (r.view_id is null and r.job_name = of_job))
    limit  1;
    if found then
      outcome := 'skipped';
      return next;
      return;
    end if;
  elsif overlap = 'cancel_other' then
    perform remat.cancel_run(r.id)
    from    remat.runs r
    where   r.status in ('pending', 'running', 'unknown')
    and     (r.view_id = of_view or (r.view_id is null and r.job_name = of_job));
  elsif key is not null then
    run_id := remat.join_run(key, due_at, waits_for, may_write);
    if run_id is not null then
      outcome := 'joined';
      return next;
      return;
    end if;
  end if;
  insert into remat.runs (view_id, operation, status, trigger, queue, backend, priority, due_at, arguments, job_name,
                          fire_id, coalesce_key, waits_for, request_key, fence, lock_retries, work_retries)
  values (of_view, operation, 'pending', trigger, coalesce(dispatch->>'queue', 'default'), backend,
          coalesce((dispatch->>'priority')::integer, 0), due_at, arguments, of_job, fire_id, key, waits_for,
          of_request, 0, coalesce((dispatch->>'lock_retries')::integer, 10),
          coalesce((dispatch->>'work_retries')::integer, 3))
  on conflict do nothing
  returning id into run_id;
  outcome := case when run_id is null then 'joined' else 'enqueued' end;
  if run_id is null then
    select r.id into run_id from remat.runs r where r.request_key = of_request;
  end if;
  if backend = 'postgres' and may_write then
    perform pg_notify('remat', 'run');
  end if;
  return next;
end
$$;

-- The pending run that a request with this key may join.
create function remat.join_run(key text, due timestamptz, after_runs bigint[], may_write boolean) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  found_id bigint;
begin
  if may_write then
    select r.id into found_id
    from   remat.runs r
    where  r.status = 'pending' and r.coalesce_key = key and r.due_at <= due and r.waits_for @> after_runs
    and    r.queued_at > clock_timestamp() - interval '1 second'
    order  by r.id limit 1
    for    share skip locked;
  else
    select r.id into found_id
    from   remat.runs r
    where  r.status = 'pending' and r.coalesce_key = key and r.due_at <= due and r.waits_for @> after_runs
    order  by r.id limit 1;
  end if;
  return found_id;
end
$$;

-- Enqueues a run for each of the views, those that others read first; each waits for the runs of those that it reads.
create function remat.enqueue_views(view_ids bigint[], arguments jsonb, trigger text, backend text, due_at timestamptz,
                                    fire_id bigint, queue text, may_write boolean)
returns table (view_id bigint, run_id bigint, outcome text)
language plpgsql set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
  reads    jsonb := (select coalesce(jsonb_object_agg(e.view_id, e.upstream), '{}')
                     from   (select r.view_id, jsonb_agg(r.reads_id) as upstream from remat.reads() r group by 1) e);
  enqueued jsonb := '{}';
  after    bigint[];
  dispatch jsonb;
begin
  foreach view_id in array remat.refresh_order(view_ids) loop
    after := array(select (enqueued->>u)::bigint
                   from   jsonb_array_elements_text(coalesce(reads->view_id::text, '[]')) as u
                   where  enqueued ? u);
    dispatch := (select v.dispatch from remat.views v where v.id = view_id)
                || case when queue is null then '{}' else jsonb_build_object('queue', queue) end;
    select e.run_id, e.outcome into run_id, outcome
    from   remat.enqueue_run('refresh', view_id, null, arguments, trigger, dispatch, backend, due_at, fire_id, after,
                             null, may_write) e;
    if outcome <> 'skipped' then
      enqueued := enqueued || jsonb_build_object(view_id::text, run_id);
    end if;
    return next;
  end loop;
end
$$;

-- The views that these read, and those that read these, at any distance.
create function remat.upstream_of(view_ids bigint[]) returns bigint[]
language sql stable set search_path = pg_catalog, pg_temp
as $$ select coalesce(array_agg(distinct r.reads_id), '{}') from remat.reads() r where r.view_id = any(view_ids) $$;

create function remat.downstream_of(view_ids bigint[]) returns bigint[]
language sql stable set search_path = pg_catalog, pg_temp
as $$ select coalesce(array_agg(distinct r.view_id), '{}') from remat.reads() r where r.reads_id = any(view_ids) $$;

-- Firing ---------------------------------------------------------------------------------------------------------------

-- Deals with one nominal time of a scheduled job or of a view's own schedule, unless somebody has already. With a
-- `skip_reason` it is recorded and nothing runs. Gives the ids of the runs; null when another scheduler was quicker.
create function remat.fire(of_job text, of_view bigint, at timestamptz, missed_before integer, delay_ms bigint,
                           skip_reason text, run_trigger text, via text)
returns bigint[]
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  fired   bigint;
  j       remat.scheduled_jobs;
  v       remat.views;
  due     timestamptz := clock_timestamp() + delay_ms * interval '1 millisecond';
  outcomes text[] := '{}';
  run_ids bigint[] := '{}';
  became  text;
begin
  insert into remat.fires (job_name, view_id, fire_at, outcome, reason, missed)
  values (of_job, of_view, at, 'skipped', coalesce(skip_reason, 'nothing_to_do'), missed_before)
  on conflict do nothing
  returning id into fired;
  if fired is null then
    return null;
  end if;
  if of_job is not null then
    update remat.scheduled_jobs set last_fire = greatest(last_fire, at) where name = of_job returning * into j;
  end if;
  if skip_reason is not null then
    return '{}';
  elsif of_view is not null then
    select * into v from remat.views where id = of_view;
    if remat.is_paused(v.pause) then
      update remat.fires set reason = 'paused' where id = fired;
      return '{}';
    end if;
    select array[e.run_id], array[e.outcome] into run_ids, outcomes
    from   remat.enqueue_run('refresh', of_view, null, '{}', run_trigger, v.dispatch, via, due, fired, '{}', null, false) e;
  elsif j.sql is not null then
    select array[e.run_id], array[e.outcome] into run_ids, outcomes
    from   remat.enqueue_run('sql', null, of_job, jsonb_build_object('sql', j.sql), run_trigger, j.dispatch, via, due,
                             fired, '{}', null, false) e;
  else
    select coalesce(array_agg(e.run_id), '{}'), coalesce(array_agg(e.outcome), '{}') into run_ids, outcomes
    from   remat.enqueue_views(case when j.tag is null then array[j.view_id] else remat.views_tagged(j.tag) end,
                               '{}', run_trigger, via, due, fired, j.dispatch->>'queue', false) e;
  end if;
  became := case when 'enqueued' = any(outcomes) then 'enqueued' when 'joined' = any(outcomes) then 'joined' end;
  update remat.fires
  set    outcome = coalesce(became, 'skipped'), runs = run_ids,
         reason = case when became is not null then null when outcomes = '{}' then 'nothing_to_do' else 'overlap' end
  where  id = fired;
  return run_ids;
end
$$;

-- Claiming -------------------------------------------------------------------------------------------------------------

-- Gives the worker at most so many of the runs that are due, the most urgent first: none of a view or job that is at
-- work already, none that waits for another, none of a queue that is full. Claims come one after another (the advisory
-- lock `remc`), so the limits are exact; a row that its asker has not committed to yet is passed over.
--
-- What waits is read in the order of its index, row by row and unlocked, until enough is found, and only what is taken is
-- locked: a claim costs the same however much waits. So nothing here may sort, and plans are made once per session.
--
-- The commit need not reach the disk: whatever the worker commits later reaches it with this before it, and if the
-- server goes down first, the row is pending again and nothing has begun. The fence is drawn, not counted: a claim that
-- was lost so and the one that comes after it must not have the same.
-- Without a worker, a caller claims `one_run` and does it at once; the row then holds its session.
create function remat.claim(of_worker bigint, queues text[], slots integer, one_run bigint default null)
returns setof remat.runs
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_sort = off
set enable_seqscan = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  now_at      timestamptz := clock_timestamp();
  is_limited  boolean;
  -- the views and jobs that are at work, those that this claim takes among them
  busy        text[];
  full_queues text[] := '{}';
  -- what this claim takes, and the queue of each
  taken       bigint[] := '{}';
  taken_from  text[] := '{}';
  waiting     cursor for
    select c.id, c.queue, coalesce('v' || c.view_id, 'j' || c.job_name) as subject
    from   remat.runs c
    where  c.status = 'pending' and c.due_at <= now_at
    and    (queues is null or c.queue = any(queues))
    and    (c.waits_for = '{}'
            or not exists (select from remat.runs u
                           where  u.id = any(c.waits_for) and u.status in ('pending', 'running', 'unknown')))
    order  by c.priority desc, c.due_at, c.id;
  asked       cursor for
    select c.id, c.queue, coalesce('v' || c.view_id, 'j' || c.job_name) as subject
    from   remat.runs c
    where  c.id = one_run and c.due_at <= now_at
    and    not exists (select from remat.runs u
                       where  u.id = any(c.waits_for) and u.status in ('pending', 'running', 'unknown'));
  candidate   record;
  now_is      text;
  r           remat.runs;
begin
  perform set_config('synchronous_commit', 'off', true);
  perform pg_advisory_xact_lock(1919249763, 0);
  busy := array(select coalesce('v' || l.view_id, 'j' || l.job_name) from remat.runs l
                where  l.status in ('running', 'unknown'));
  is_limited := exists (select from remat.queues);
  if is_limited then
    full_queues := remat.full_queues('{}');
  end if;
  if one_run is null then open waiting; else open asked; end if;
  while cardinality(taken) < slots and '*' <> all(full_queues) loop
    if one_run is null then fetch waiting into candidate; else fetch asked into candidate; end if;
    exit when not found;
    continue when candidate.subject = any(busy) or candidate.queue = any(full_queues);
    select l.status into now_is from remat.runs l where l.id = candidate.id for no key update skip locked;
    continue when now_is is distinct from 'pending';
    busy := busy || candidate.subject;
    taken := taken || candidate.id;
    taken_from := taken_from || candidate.queue;
    if is_limited then
      full_queues := remat.full_queues(taken_from);
    end if;
  end loop;
  if taken = '{}' then
    return;
  end if;
  -- One statement for all of them: each has the checks of the table read anew.
  for r in
    update remat.runs
    set    status = 'running', worker_id = of_worker, worker = (select w.name from remat.workers w where w.id = of_worker),
           fence = fence + 1 + (random() * 1e12)::bigint, started_at = clock_timestamp(), pid = pg_backend_pid(),
           backend_start = case when of_worker is null
                                then (select a.backend_start from pg_stat_get_activity(pg_backend_pid()) a) end
    where  id = any(taken)
    returning *
  loop
    if r.coalesce_key is not null then
      perform remat.coalesce_into(r);
    end if;
    return next r;
  end loop;
end
$$;

-- The queues that may not begin another run now, once those have begun that are taken from these.
create function remat.full_queues(taken_from text[]) returns text[]
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
  return (select coalesce(array_agg(q.name), '{}')
          from   remat.queues q
          where  q.concurrency <= (select count(*) from remat.runs l
                                   where  l.status in ('running', 'unknown') and (q.name = '*' or l.queue = q.name))
                                + (select count(*) from unnest(taken_from) t where q.name = '*' or t = q.name));
end
$$;

-- Whoever else asked for the same gets it from this run, which begins now.
create function remat.coalesce_into(winner remat.runs) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  other bigint;
begin
  for other in
    select r.id from remat.runs r
    where  r.status = 'pending' and r.coalesce_key = winner.coalesce_key and r.id <> winner.id
    and    r.due_at <= clock_timestamp() and r.waits_for <@ winner.waits_for
    for    no key update skip locked
  loop
    update remat.runs
    set    status = 'skipped', reason = 'coalesced', finished_at = clock_timestamp(),
           meta = meta || jsonb_build_object('into', winner.id)
    where  id = other;
    perform remat.wait_instead(other, winner.id);
  end loop;
end
$$;

-- What waited for one run waits for another.
create function remat.wait_instead(for_run bigint, for_other bigint) returns void
language sql volatile set search_path = pg_catalog, pg_temp
as $$
  update remat.runs set waits_for = array_replace(waits_for, for_run, for_other)
  where  status = 'pending' and waits_for <> '{}' and for_run = any(waits_for)
$$;

-- When the next run falls due that is not due yet.
create function remat.next_due() returns timestamptz
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
  return (select min(r.due_at) from remat.runs r where r.status = 'pending' and r.due_at > clock_timestamp());
end
$$;

-- Ending ---------------------------------------------------------------------------------------------------------------

-- Ends a run. Fails with RM001 when it is no longer the caller's, so that a commit which is on its way behind this call
-- rolls the work back.
create function remat.end_run(
    of_run bigint, of_fence bigint, ended_as text, by_strategy text, because text, as_of timestamptz, waited_ms bigint,
    took_ms bigint, before bigint, after bigint, inserted bigint, updated bigint, deleted bigint, size bigint,
    message text, code text, detail text, hint text, facts jsonb) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  update remat.runs r
  set    status         = ended_as,
         strategy       = by_strategy,
         reason         = because,
         data_as_of     = as_of,
         lock_wait_ms   = waited_ms,
         duration_ms    = took_ms,
         rows_before    = before,
         rows_after     = after,
         rows_inserted  = inserted,
         rows_updated   = updated,
         rows_deleted   = deleted,
         bytes          = size,
         error_message  = message,
         error_sqlstate = code,
         error_detail   = detail,
         error_hint     = hint,
         meta           = r.meta || facts,
         finished_at    = clock_timestamp()
  where  r.id = of_run
  and    r.fence = of_fence
  and    r.status in ('running', 'unknown');
  if not found then
    raise exception 'run % was taken over or ended by another', of_run using errcode = 'RM001';
  end if;
end
$$;

-- Another attempt at what a run did not bring about, after a delay, unless somebody asked to cancel it. `spends` names the
-- budget: lock, work, or none. To be called in the transaction that ends the run.
create function remat.retry_run(of_run bigint, delay_ms bigint, spends text) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  again bigint;
begin
  -- It failed while somebody wanted it cancelled.
  if exists (select from remat.runs r where r.id = of_run and r.cancel_asked_at is not null) then
    perform remat.skip_downstream(of_run);
    return null;
  end if;
  insert into remat.runs (view_id, operation, status, trigger, queue, backend, priority, due_at, arguments, job_name,
                          fire_id, coalesce_key, fence, attempt, retry_of, lock_retries, work_retries)
  select r.view_id, r.operation, 'pending', r.trigger, r.queue, r.backend, r.priority,
         clock_timestamp() + delay_ms * interval '1 millisecond', r.arguments, r.job_name, r.fire_id, r.coalesce_key, 0,
         r.attempt + 1, r.id, r.lock_retries - (spends = 'lock')::integer, r.work_retries - (spends = 'work')::integer
  from   remat.runs r
  where  r.id = of_run
  returning id into again;
  update remat.runs set meta = meta || jsonb_build_object('retried_by', again) where id = of_run;
  perform remat.wait_instead(of_run, again);
  return again;
end
$$;

-- Puts a claimed run back that could not begin: somebody else, who is no worker, is at the view.
create function remat.release_run(of_run bigint, of_fence bigint, delay_ms bigint) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  update remat.runs
  set    status = 'pending', started_at = null, pid = null, backend_start = null, worker_id = null,
         worker = null, due_at = clock_timestamp() + delay_ms * interval '1 millisecond'
  where  id = of_run and fence = of_fence and status = 'running';
  -- Who asked for a cancel while it was claimed shall not have to ask again.
  if found and exists (select from remat.runs r where r.id = of_run and r.cancel_asked_at is not null) then
    perform remat.cancel_run(of_run);
  end if;
end
$$;

-- Skips what waited for a run that will not succeed, at any distance, and names that run as the one cause.
create function remat.skip_downstream(of_run bigint) returns void
language sql volatile set search_path = pg_catalog, pg_temp
as $$
  with recursive doomed(id) as (
    select r.id from remat.runs r where r.status = 'pending' and r.waits_for <> '{}' and of_run = any(r.waits_for)
    union
    select r.id from remat.runs r join doomed d on d.id = any(r.waits_for)
    where  r.status = 'pending' and r.waits_for <> '{}'
  )
  update remat.runs r
  set    status = 'skipped', reason = 'upstream_failed', finished_at = clock_timestamp(),
         meta = r.meta || jsonb_build_object('root_cause', of_run)
  from   doomed
  where  r.id = doomed.id and r.status = 'pending'
$$;

-- Ends the runs whose transaction is gone without a trace of success, enqueues another attempt where a worker lost one,
-- and gives their ids.
--
-- Success is written by the transaction that did the work, under an advisory lock keyed by the run (`remr`). A run that
-- still says running and whose lock nobody holds was therefore rolled back, or has not begun: so its holder must be
-- gone, too. A worker is gone when its heartbeat is older than `stale`; `me` (if given) is a worker that tells which runs it still holds,
-- and one that it does not hold for some seconds is lost as well. Where no worker holds it, its session must have gone;
-- behind a pooler the session may outlive its client, and there a minute decides. A time in the future is as old as one
-- that is as far in the past: the clock was put back.
create function remat.resolve_lost(me bigint, held bigint[], stale interval default interval '6 seconds')
returns setof bigint
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  lost remat.runs;
begin
  -- Enqueued in the future: the clock was put back, and nobody meant them to wait for it to come round again.
  update remat.runs
  set    due_at = clock_timestamp()
  where  status = 'pending' and due_at > clock_timestamp() + interval '1 minute'
  and    queued_at > clock_timestamp() + interval '1 minute';
  for lost in
    select r.*
    from   remat.runs r
    where  r.status in ('running', 'unknown')
    and    not exists (
             select from pg_locks l
             where  l.locktype = 'advisory' and l.classid = 1919249778::oid
             and    l.objid = ((r.id % 2147483647)::integer)::oid and l.objsubid = 2
             and    l.database = (select d.oid from pg_database d where d.datname = current_database()))
    and    case
             when r.worker_id is null
             then r.started_at not between clock_timestamp() - interval '1 minute' and clock_timestamp() + interval '1 minute'
                  or not exists (select from pg_stat_activity a
                                 where  a.pid = r.pid
                                 and    (a.backend_start is null or r.backend_start is null or a.backend_start = r.backend_start))
             when r.worker_id = me
             then r.started_at not between clock_timestamp() - stale and clock_timestamp() + stale and r.id <> all(held)
             else not exists (select from remat.workers w
                              where  w.id = r.worker_id
                              and    w.heartbeat_at between clock_timestamp() - stale and clock_timestamp() + stale)
           end
    for    no key update skip locked
  loop
    update remat.runs
    set    status         = 'failed',
           finished_at    = clock_timestamp(),
           error_message  = case when worker_id is null then 'the connection of this run was lost and its work was rolled back'
                                 else 'the worker of this run was lost and its work was rolled back' end,
           error_sqlstate = '08006',
           error_hint     = 'The contents are those of the last success.'
                            || case when worker_id is null then ' Refresh the view again.' else '' end,
           meta           = meta || '{"failure": "connection_lost"}'
    where  id = lost.id;
    if lost.worker_id is not null and lost.cancel_asked_at is null and lost.work_retries > 0 then
      perform remat.retry_run(lost.id, 500 * (2 ^ least(lost.attempt, 10))::bigint, 'work');
    else
      perform remat.skip_downstream(lost.id);
    end if;
    perform remat.quarantine(lost.view_id);
    return next lost.id;
  end loop;
end
$$;

-- Pauses a view for an hour whose last three attempts all took the connection or the worker down with them: it may be
-- what kills them, and a server that crashes again and again leaves files behind each time. What a restart of the server
-- took along does not count.
create function remat.quarantine(of_view bigint) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  why constant text := 'quarantined: the connection or the worker was lost in three attempts in a row';
begin
  if of_view is null
     or 3 > (select count(*) filter (where last.status = 'failed' and last.meta->>'failure' = 'connection_lost'
                                           and last.started_at > pg_postmaster_start_time())
             from   (select r.status, r.meta, r.started_at from remat.runs r
                     where  r.view_id = of_view and r.status not in ('pending', 'running', 'unknown', 'skipped')
                     order  by r.id desc limit 3) as last) then
    return false;
  end if;
  update remat.views
  set    pause = jsonb_build_object('by', 'remat', 'reason', why, 'until', clock_timestamp() + interval '1 hour')
  where  id = of_view and not remat.is_paused(pause);
  if found then
    insert into remat.events (source, action, view_id, after)
    values ('remat', 'quarantine', of_view, jsonb_build_object('reason', why));
  end if;
  return found;
end
$$;

-- Cancels a run. One that waits never begins. One that works is cancelled at the server where the caller may do that, and
-- in any case its worker finds the request with its next heartbeat. Gives the status that it found; whether a run that worked ended as cancelled, its row
-- tells.
create function remat.cancel_run(run_id bigint) returns text
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  found_status text;
begin
  select r.status into found_status from remat.runs r where r.id = run_id for no key update;
  if found_status is null then
    raise exception 'run % is not known', run_id using errcode = 'undefined_object';
  elsif found_status = 'pending' then
    update remat.runs
    set    status = 'cancelled', reason = format('cancelled by %s before it began', session_user),
           cancel_asked_at = clock_timestamp(), finished_at = clock_timestamp()
    where  id = run_id;
    perform remat.skip_downstream(run_id);
  elsif found_status in ('running', 'unknown') then
    update remat.runs set cancel_asked_at = coalesce(cancel_asked_at, clock_timestamp()) where id = run_id;
    begin
      perform pg_cancel_backend(l.pid)
      from    pg_locks l
      where   l.locktype = 'advisory' and l.classid = 1919249778::oid and l.granted
      and     l.objid = ((run_id % 2147483647)::integer)::oid and l.objsubid = 2
      and     l.database = (select d.oid from pg_database d where d.datname = current_database());
    exception when insufficient_privilege then
      null;
    end;
  end if;
  return found_status;
end
$$;

-- The public face --------------------------------------------------------------------------------------------------------

create function remat.enqueue(operation text, view_name text, arguments jsonb, queue text) returns bigint
language sql volatile set search_path = pg_catalog, pg_temp
as $$
  select e.run_id
  from   remat.view_named(view_name) v
  cross  join remat.enqueue_run(
           operation, v.id, null, jsonb_strip_nulls(arguments), 'sql',
           v.dispatch || case when queue is null then '{}' else jsonb_build_object('queue', queue) end,
           'postgres', clock_timestamp(), null, '{}', null, true) e
$$;

create function remat.enqueue_refresh(view_name text, row_count text default null, queue text default null)
returns bigint
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if row_count not in ('none', 'estimated', 'exact') then
    raise exception '"%" is not one of: none, estimated, exact', row_count using errcode = 'invalid_parameter_value';
  end if;
  return remat.enqueue('refresh', view_name, jsonb_build_object('row_count', row_count), queue);
end
$$;

create function remat.enqueue_create(view_name text, force boolean default false, queue text default null)
returns bigint
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select remat.enqueue('create', view_name, jsonb_build_object('force', case when force then true end), queue) $$;

create function remat.enqueue_delete(view_name text, cascade boolean default false, queue text default null)
returns bigint
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select remat.enqueue('delete', view_name, jsonb_build_object('cascade', case when cascade then true end), queue) $$;
