-- The table that every audience view reads. An analysis asks for one to four documents; those not asked for are null.

create table if not exists public.timeline_analyses (
    id          uuid primary key default gen_random_uuid(),
    user_id     uuid not null references public.users (id) on delete cascade,
    target_did  text not null,
    flow_data   jsonb,
    clout_data  jsonb,
    kudos_data  jsonb,
    pulse_data  jsonb,
    analyzed_at timestamptz not null default now(),
    check (num_nonnulls(flow_data, clout_data, kudos_data, pulse_data) > 0)
);

-- For the windows (24 hours, 30 days, 90 days) and the live feed.
create index if not exists timeline_analyses_analyzed_at_idx on public.timeline_analyses (analyzed_at);
-- For everything per user, and for the foreign key.
create index if not exists timeline_analyses_user_id_idx on public.timeline_analyses (user_id, analyzed_at);
