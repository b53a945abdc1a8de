-- Loads made-up users and their analyses. Row n is the same row each time, save that its time counts back from now().
--
--   select skyflow_seed_users(10000);
--   select skyflow_seed_analyses(1, 10000);        -- and so on, slice by slice, up to 20 rows per user
--   vacuum (analyze) users, timeline_analyses, points_events;
--
-- A row that is there already is left alone, so a load that was stopped can be repeated.

-- Makes users 1 to n, each with a session, a cached profile and a rate limit, part of which the cleanup jobs find past
-- their time. Returns the users made.
create or replace function public.skyflow_seed_users(n integer)
returns bigint
language sql volatile as $$
    with made as (
        insert into public.users (id, did, handle, display_name, created_at)
        select
            public.skyflow_user_id(user_no),
            public.skyflow_did(user_no),
            lower(name) || '-' || user_no || '.skyflow.example',
            case when public.skyflow_unit(user_no, 52) < 0.8 then name end,
            now() - interval '120 days' - interval '360 days' * public.skyflow_unit(user_no, 53)
        from generate_series(1, n::bigint) as user_no
        cross join lateral (
            select public.skyflow_word(
                array['Heron', 'Wren', 'Otter', 'Lynx', 'Finch', 'Marten', 'Plover', 'Hare'],
                public.skyflow_unit(user_no, 51)) as name
        ) as animal
        on conflict do nothing
        returning id, did, handle, hashtextextended(did, 0) as n
    ),
    sessions as (
        insert into public.sessions (id, user_id, created_at, expires_at)
        select md5('session:' || id::text)::uuid, id, opened_at, opened_at + interval '14 days'
        from made
        cross join lateral (
            select now() - interval '20 days' * public.skyflow_unit(made.n, 54) as opened_at
        ) as session
    ),
    profiles as (
        insert into public.profile_cache (did, profile, fetched_at, expires_at)
        select did, jsonb_build_object('handle', handle), fetched_at, fetched_at + interval '6 hours'
        from made
        cross join lateral (
            select now() - interval '9 hours' * public.skyflow_unit(made.n, 55) as fetched_at
        ) as fetched
        on conflict do nothing
    ),
    limits as (
        insert into public.rate_limits (subject, bucket, window_start, hits)
        select
            did,
            'analyze',
            date_trunc('hour', now() - interval '40 hours' * public.skyflow_unit(made.n, 56)),
            1 + floor(30 * public.skyflow_unit(made.n, 57))::int
        from made
        on conflict do nothing
    )
    select count(*) from made
$$;

-- A user number from 1 to `users`; number r is drawn about 1/r as often as number 1 (Zipf's law).
create or replace function public.skyflow_popular(draw double precision, users bigint)
returns bigint
language sql immutable parallel safe as $$
    select floor(power(users + 1, draw))::bigint
$$;

-- The analyses numbered from_row to to_row, without a time. One to four of the documents are there.
create or replace function public.skyflow_analyses(from_row bigint, to_row bigint, users bigint)
returns table (
    n bigint, id uuid, user_id uuid, target_did text,
    flow_data jsonb, clout_data jsonb, kudos_data jsonb, pulse_data jsonb
)
language sql stable as $$
    select
        n,
        md5('analysis:' || n::text)::uuid,
        public.skyflow_user_id(user_no),
        public.skyflow_did(target_no),
        -- An analysis that drew no document at all gets this one.
        case
            when has_flow or not (has_clout or has_kudos or has_pulse) then public.skyflow_flow_doc(n, standing)
        end,
        case when has_clout then public.skyflow_clout_doc(n, standing) end,
        case when has_kudos then public.skyflow_kudos_doc(n, standing) end,
        case when has_pulse then public.skyflow_pulse_doc(n, standing) end
    from (
        select
            drawn.*,
            0.6 * public.skyflow_unit(user_no, 1) + 0.4 * public.skyflow_unit(n, 2) as standing
        from (
            select
                n,
                public.skyflow_popular(public.skyflow_unit(n, 3), users) as user_no,
                public.skyflow_popular(public.skyflow_unit(n, 4), 4 * users) as target_no,
                public.skyflow_unit(n, 5) < 0.85 as has_flow,
                public.skyflow_unit(n, 6) < 0.60 as has_clout,
                public.skyflow_unit(n, 7) < 0.55 as has_kudos,
                public.skyflow_unit(n, 8) < 0.75 as has_pulse
            from generate_series(from_row, to_row) as n
            offset 0 -- keeps the planner from computing a draw again at each of its uses
        ) as drawn
        offset 0
    ) as row
$$;

-- Adds the analyses numbered from_row to to_row and the points that they earn. `total` rows fill the span before
-- now(), more densely towards its end, oldest first as an app would have written them. Returns the analyses added.
create or replace function public.skyflow_add_analyses(
    from_row bigint, to_row bigint, total bigint, span interval
)
returns bigint
language sql volatile as $$
    with added as (
        insert into public.timeline_analyses
            (id, user_id, target_did, flow_data, clout_data, kudos_data, pulse_data, analyzed_at)
        select
            id, user_id, target_did, flow_data, clout_data, kudos_data, pulse_data,
            now() - span * power(1 - ((n - 1) % total + public.skyflow_unit(n, 9)) / total, 1.5)
        from public.skyflow_analyses(from_row, to_row, (select count(*) from public.users))
        on conflict do nothing
        returning
            user_id, analyzed_at, num_nonnulls(flow_data, clout_data, kudos_data, pulse_data) as documents
    ),
    earned as (
        insert into public.points_events (user_id, kind, points, earned_at)
        select
            user_id,
            case when documents = 4 then 'achievement' else 'analysis' end,
            case when documents = 4 then 50 else 5 * documents end,
            analyzed_at
        from added
    )
    select count(*) from added
$$;

-- Loads one slice. 20 analyses per user fill 120 days, about 40% of them in the last 30; rows past that number
-- start over at the oldest day. Returns the analyses added.
create or replace function public.skyflow_seed_analyses(from_row bigint, to_row bigint)
returns bigint
language plpgsql as $$
declare
    total constant bigint := 20 * (select count(*) from public.users);
begin
    if total = 0 then
        raise exception 'there are no users to own the analyses'
            using hint = 'Call skyflow_seed_users(n) first.';
    end if;
    return public.skyflow_add_analyses(from_row, to_row, total, interval '120 days');
end
$$;
