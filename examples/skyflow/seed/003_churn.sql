-- Changes rows as a live app does. Each call is a batch with a number of its own, and all its draws follow from that.

create sequence if not exists public.skyflow_churn_batch start 1000000 minvalue 1000000;

-- Makes about n changes: 60% new analyses, 25% made again, 10% points for something else, 5% deleted. Fewer when two
-- draws hit one row, or when another writer holds it. Returns what was done; points that an analysis earned are not
-- counted.
create or replace function public.skyflow_churn(n integer)
returns table (analyses_added bigint, analyses_updated bigint, analyses_deleted bigint, points_added bigint)
language plpgsql as $$
declare
    per_batch constant bigint := 1000000;
    base constant bigint := per_batch * nextval('public.skyflow_churn_batch');
    to_update constant bigint := n * 25 / 100;
    to_reward constant bigint := n * 10 / 100;
    to_delete constant bigint := n * 5 / 100;
    to_add constant bigint := n - to_update - to_reward - to_delete;
begin
    if n not between 1 and per_batch then
        raise exception 'a batch has 1 to % changes, not %', per_batch, n;
    end if;
    analyses_updated := public.skyflow_churn_update(base, to_update);
    analyses_deleted := public.skyflow_churn_delete(base, to_delete);
    analyses_added := public.skyflow_add_analyses(base + 1, base + to_add, to_add, interval '2 seconds');
    points_added := public.skyflow_churn_reward(base, to_reward);
    return next;
end
$$;

-- Makes up to `changes` analyses again, mostly recent ones: a new pulse, a new time.
create or replace function public.skyflow_churn_update(base bigint, changes bigint)
returns bigint
language sql volatile as $$
    with drawn as (
        select distinct hit.id
        from generate_series(base + 1, base + changes) as k
        cross join lateral (
            select id
            from public.timeline_analyses
            where analyzed_at <= now() - interval '30 days' * power(public.skyflow_unit(k, 61), 2)
            order by analyzed_at desc
            limit 1
        ) as hit
    ),
    held as (
        select a.id
        from public.timeline_analyses as a
        where a.id in (select id from drawn)
        for no key update skip locked
    ),
    changed as (
        update public.timeline_analyses as a
        set pulse_data = public.skyflow_pulse_doc(base + uuid_hash(a.id), 0.5), analyzed_at = now()
        from held
        where a.id = held.id
        returning 1
    )
    select count(*) from changed
$$;

-- Deletes up to `changes` analyses of any age.
create or replace function public.skyflow_churn_delete(base bigint, changes bigint)
returns bigint
language sql volatile as $$
    with drawn as (
        select distinct hit.id
        from generate_series(base + 1, base + changes) as k
        cross join lateral (
            select id from public.timeline_analyses where id >= md5('delete:' || k::text)::uuid order by id limit 1
        ) as hit
    ),
    held as (
        select a.id
        from public.timeline_analyses as a
        where a.id in (select id from drawn)
        for update skip locked
    ),
    gone as (
        delete from public.timeline_analyses as a using held where a.id = held.id returning 1
    )
    select count(*) from gone
$$;

-- Adds `changes` points that no analysis earned: streaks, and now and then a correction.
create or replace function public.skyflow_churn_reward(base bigint, changes bigint)
returns bigint
language sql volatile as $$
    with made as (
        insert into public.points_events (user_id, kind, points)
        select
            public.skyflow_user_id(public.skyflow_popular(public.skyflow_unit(k, 62), users)),
            case when public.skyflow_unit(k, 63) < 0.9 then 'streak' else 'correction' end,
            case when public.skyflow_unit(k, 63) < 0.9 then 3 else -5 end
        from generate_series(base + 1, base + changes) as k
        cross join (select count(*) as users from public.users) as total
        returning 1
    )
    select count(*) from made
$$;
