-- What a made-up document says. Everything here is a function of its arguments: the same number gives the same document.
-- The document functions are marked stable, as jsonb_build_object is: marked immutable they could not be inlined.

-- A number in [0, 1) that looks random and is not: the hash of n, another one for each salt.
create or replace function public.skyflow_unit(n bigint, salt integer)
returns double precision
language sql immutable parallel safe as $$
    select (hashint8extended(n, salt) & 2147483647) / 2147483648.0::float8
$$;

create or replace function public.skyflow_did(n bigint)
returns text
language sql immutable parallel safe as $$
    select 'did:plc:' || left(md5('did:' || n::text), 24)
$$;

create or replace function public.skyflow_user_id(user_no bigint)
returns uuid
language sql immutable parallel safe as $$
    select md5('user:' || user_no::text)::uuid
$$;

-- Where and when a timeline's posts come from. `standing` is 0 to 1: what the four scores of one analysis share.
create or replace function public.skyflow_flow_doc(n bigint, standing double precision)
returns jsonb
language sql stable parallel safe as $$
    select jsonb_build_object(
        'score', round((100 * (0.55 * standing + 0.45 * public.skyflow_unit(n, 11)))::numeric, 1),
        'posts', 5 + (public.skyflow_unit(n, 12) * 180)::int,
        'replies', (public.skyflow_unit(n, 13) * 90)::int,
        'reposts', (public.skyflow_unit(n, 14) * 60)::int,
        'peak_hour', (public.skyflow_unit(n, 15) * 23)::int,
        'sources', jsonb_build_array(
            jsonb_build_object('did', public.skyflow_did(n % 4999), 'share', round((0.2 + 0.3 * public.skyflow_unit(n, 16))::numeric, 3)),
            jsonb_build_object('did', public.skyflow_did(n % 3001), 'share', round((0.2 * public.skyflow_unit(n, 17))::numeric, 3))))
$$;

-- How far the target's words carry. Followers are heavy-tailed.
create or replace function public.skyflow_clout_doc(n bigint, standing double precision)
returns jsonb
language sql stable parallel safe as $$
    select jsonb_build_object(
        'score', round((100 * (0.75 * standing + 0.25 * public.skyflow_unit(n, 21)))::numeric, 1),
        'followers', exp(2 + 8 * standing + 2 * public.skyflow_unit(n, 22))::int,
        'following', exp(3 + 4 * public.skyflow_unit(n, 23))::int,
        'reach', jsonb_build_object(
            'direct', exp(3 + 7 * standing)::int,
            'second_degree', exp(5 + 8 * standing)::int,
            'amplification', round((1 + 4 * public.skyflow_unit(n, 24))::numeric, 2)),
        'trend', (array['rising', 'steady', 'falling'])[1 + floor(public.skyflow_unit(n, 25) * 3)::int],
        'percentile', round((100 * standing)::numeric, 2))
$$;

-- Who thanks whom.
create or replace function public.skyflow_kudos_doc(n bigint, standing double precision)
returns jsonb
language sql stable parallel safe as $$
    select jsonb_build_object(
        'score', round((100 * (0.35 * standing + 0.65 * public.skyflow_unit(n, 31)))::numeric, 1),
        'likes_received', exp(1 + 6 * standing + public.skyflow_unit(n, 32))::int,
        'likes_given', exp(1 + 6 * public.skyflow_unit(n, 33))::int,
        'mutuals', (public.skyflow_unit(n, 34) * 120)::int,
        'supporters', jsonb_build_array(
            jsonb_build_object('did', public.skyflow_did(n % 4001), 'likes', 1 + (public.skyflow_unit(n, 35) * 40)::int),
            jsonb_build_object('did', public.skyflow_did(n % 2003), 'likes', 1 + (public.skyflow_unit(n, 36) * 20)::int)))
$$;

-- The mood of the last days. The busiest accounts are engaged with a little less.
create or replace function public.skyflow_pulse_doc(n bigint, standing double precision)
returns jsonb
language sql stable parallel safe as $$
    select jsonb_build_object(
        'score', round((100 * (0.65 - 0.3 * standing + 0.35 * public.skyflow_unit(n, 41)))::numeric, 1),
        'engagement_rate', round((0.005 + 0.12 * public.skyflow_unit(n, 42) * (1 - 0.5 * standing))::numeric, 4),
        'sentiment', round((2 * public.skyflow_unit(n, 43) - 1)::numeric, 3),
        'active_minutes', (public.skyflow_unit(n, 44) * 600)::int,
        'mood', (array['calm', 'upbeat', 'tense', 'curious', 'tired'])[1 + floor(public.skyflow_unit(n, 45) * 5)::int],
        'topics', jsonb_build_array(
            (array['music', 'science', 'sports', 'cooking', 'politics', 'games'])[1 + floor(public.skyflow_unit(n, 46) * 6)::int],
            (array['art', 'travel', 'code', 'weather', 'film', 'books'])[1 + floor(public.skyflow_unit(n, 47) * 6)::int]),
        'window', jsonb_build_object('days', 7, 'posts_per_day', round((30 * public.skyflow_unit(n, 48))::numeric, 1)))
$$;
