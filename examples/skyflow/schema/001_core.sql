-- Who uses the app, and the three tables of short-lived rows that the cleanup jobs empty.

create table if not exists public.users (
    id           uuid primary key default gen_random_uuid(),
    did          text not null unique,
    handle       text not null unique,
    display_name text,
    created_at   timestamptz not null default now()
);

create table if not exists public.sessions (
    id         uuid primary key default gen_random_uuid(),
    user_id    uuid not null references public.users (id) on delete cascade,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    check (expires_at > created_at)
);

create index if not exists sessions_user_id_idx on public.sessions (user_id);
create index if not exists sessions_expires_at_idx on public.sessions (expires_at);

-- Profiles fetched from the network, by DID. The row of a DID is overwritten when it is fetched again.
create table if not exists public.profile_cache (
    did        text primary key,
    profile    jsonb not null,
    fetched_at timestamptz not null default now(),
    expires_at timestamptz not null
);

create index if not exists profile_cache_expires_at_idx on public.profile_cache (expires_at);

-- One counter per caller, bucket and window.
create table if not exists public.rate_limits (
    subject      text not null,
    bucket       text not null,
    window_start timestamptz not null,
    hits         integer not null default 0 check (hits >= 0),
    primary key (subject, bucket, window_start)
);

create index if not exists rate_limits_window_start_idx on public.rate_limits (window_start);
