-- Verification: when each view that follows changes was compared with its query, and what was found.
--
-- Law: a finding is written by the run that made it, in the transaction that brought the contents up to date.

create table remat.verifications (
    view_id  bigint primary key references remat.views on delete cascade,
    -- when one was last asked for, whatever became of it: from here on counts the interval
    asked_at timestamptz,
    -- the last one that was made: its run, and what the run says of it
    run_id   bigint,
    made_at  timestamptz,
    finding  text check (finding in ('equal', 'mismatch', 'recomputed', 'failed')),
    facts    jsonb,
    constraint made_one_says_what_it_found check (num_nulls(run_id, made_at, finding, facts) in (0, 4))
);

-- Notes what a run found, and leaves an event where the contents were not those of the query. A verification that
-- somebody made counts like one that was asked for.
create function remat.note_verification() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  found_so jsonb := new.meta->'verification';
begin
  insert into remat.verifications as v (view_id, asked_at, run_id, made_at, finding, facts)
  values (new.view_id, clock_timestamp(), new.id, clock_timestamp(), found_so->>'finding', found_so)
  on conflict (view_id) do update
  set    asked_at = excluded.asked_at, run_id = excluded.run_id, made_at = excluded.made_at,
         finding = excluded.finding, facts = excluded.facts;
  if found_so->>'finding' = 'mismatch' then
    insert into remat.events (source, action, view_id, run_id, after)
    values ('remat', 'mismatch', new.view_id, new.id, found_so);
  end if;
  return null;
end
$$;

create trigger note_verification after update of status on remat.runs
for each row when (new.view_id is not null and new.status = 'success' and old.status <> 'success'
                   and new.meta ? 'verification')
execute function remat.note_verification();

-- The views that follow changes, with the time since when their contents have not been compared with the query: a plan that
-- was just made has filled them from it. `is_busy` is true while a run of the view waits or works.
create function remat.verifiable(out view_id bigint, out since timestamptz, out is_busy boolean) returns setof record
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select v.id, greatest(p.made_at, a.asked_at),
         v.id = any (array(select r.view_id from remat.runs r where r.status = 'pending')
                     || array(select r.view_id from remat.runs r where r.status in ('running', 'unknown')))
  from   remat.views v
  join   remat.view_plans p on p.view_id = v.id and p.plan is not null
  join   remat.view_states s on s.view_id = v.id and s.system = remat.system()
  left   join remat.verifications a on a.view_id = v.id
  where  v.retired_at is null and v.relation_oid is not null and not remat.is_paused(v.pause)
  and    v.strategy in ('incremental', 'auto')
$$;
