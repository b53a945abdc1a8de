-- The functions that a scheduler calls: two refresh groups of views, three remove rows that are past their time.
--
-- The refresh functions are PL/pgSQL because its statements are looked up when they run: this file loads before
-- `remat migrate` has made the schema remat. Until then a call fails with "schema "remat" does not exist".

-- One row per view. A view that fails is reported with its status and does not stop the others.
create or replace function public.refresh_audience_views()
returns table (view_name text, duration_ms integer, status text)
language plpgsql as $$
begin
    return query
        select done.view_name::text, done.duration_ms::integer, done.status::text
        from remat.refresh_tag('audience') as done;
end
$$;

create or replace function public.refresh_leaderboards()
returns table (view_name text, duration_ms integer, status text)
language plpgsql as $$
begin
    return query
        select done.view_name::text, done.duration_ms::integer, done.status::text
        from remat.refresh_tag('leaderboard') as done;
end
$$;

-- Each cleanup returns the number of rows that it removed.
create or replace function public.cleanup_expired_sessions()
returns bigint
language sql as $$
    with gone as (delete from public.sessions where expires_at <= now() returning 1)
    select count(*) from gone
$$;

create or replace function public.cleanup_profile_cache()
returns bigint
language sql as $$
    with gone as (delete from public.profile_cache where expires_at <= now() returning 1)
    select count(*) from gone
$$;

-- No limit looks back further than a day.
create or replace function public.cleanup_rate_limits()
returns bigint
language sql as $$
    with gone as (delete from public.rate_limits where window_start < now() - interval '1 day' returning 1)
    select count(*) from gone
$$;
