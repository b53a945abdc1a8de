-- What the leaderboards add up: one row each time a user earns points.

create table if not exists public.points_events (
    id        bigint generated always as identity primary key,
    user_id   uuid not null references public.users (id) on delete cascade,
    kind      text not null check (kind in ('analysis', 'achievement', 'streak', 'correction')),
    points    integer not null,
    earned_at timestamptz not null default now(),
    -- Only a correction takes points away.
    check (points > 0 or kind = 'correction')
);

create index if not exists points_events_user_id_idx on public.points_events (user_id, earned_at);
create index if not exists points_events_earned_at_idx on public.points_events (earned_at);
