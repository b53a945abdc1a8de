-- What a made-up document says: a function of its arguments, so the same number gives the same document.
--
-- The functions are small so that PostgreSQL inlines them. The document functions are marked stable, as
-- jsonb_build_object is: marked immutable they would not be inlined, and take twice the time or more.

-- A number in [0, 1) that looks random and is not: the hash of n, another one for each salt.
create or replace function public.skyflow_unit(n bigint, salt integer)
returns double precision
language sql immutable parallel safe as $$
    select (hashint8extended(n, salt) & 2147483647) / 2147483648.0::float8
$$;

create or replace function public.skyflow_user_id(user_no bigint)
returns uuid
language sql immutable parallel safe as $$
    select md5('user:' || user_no::text)::uuid
$$;

-- Accounts of the network. Those numbered as a user belong to that user.
create or replace function public.skyflow_did(account_no bigint)
returns text
language sql immutable parallel safe as $$
    select 'did:plc:' || left(md5('did:' || account_no::text), 24)
$$;

-- One of the 5,000 accounts that documents mention.
create or replace function public.skyflow_peer(draw double precision)
returns text
language sql immutable parallel safe as $$
    select public.skyflow_did(1 + floor(5000 * draw)::bigint)
$$;

create or replace function public.skyflow_word(words text[], draw double precision)
returns text
language sql immutable parallel safe as $$
    select words[1 + floor(draw * cardinality(words))::int]
$$;

create or replace function public.skyflow_rounded(x double precision, places integer)
returns numeric
language sql immutable parallel safe as $$
    select round(x::numeric, places)
$$;

-- Where and when a timeline's posts come from. `standing`, 0 to 1, is what the four scores of one analysis share.
create or replace function public.skyflow_flow_doc(n bigint, standing double precision)
returns jsonb
language sql stable parallel safe as $$
    select jsonb_build_object(
        'score', public.skyflow_rounded(100 * (0.55 * standing + 0.45 * public.skyflow_unit(n, 11)), 1),
        'posts', 5 + (public.skyflow_unit(n, 12) * 180)::int,
        'replies', (public.skyflow_unit(n, 13) * 90)::int,
        'reposts', (public.skyflow_unit(n, 14) * 60)::int,
        'peak_hour', (public.skyflow_unit(n, 15) * 23)::int,
        'sources', jsonb_build_array(
            jsonb_build_object(
                'did', public.skyflow_peer(public.skyflow_unit(n, 16)),
                'share', public.skyflow_rounded(0.2 + 0.3 * public.skyflow_unit(n, 17), 3)),
            jsonb_build_object(
                'did', public.skyflow_peer(public.skyflow_unit(n, 18)),
                'share', public.skyflow_rounded(0.2 * public.skyflow_unit(n, 19), 3))))
$$;

-- How far the target's words carry. Followers are heavy-tailed.
create or replace function public.skyflow_clout_doc(n bigint, standing double precision)
returns jsonb
language sql stable parallel safe as $$
    select jsonb_build_object(
        'score', public.skyflow_rounded(100 * (0.75 * standing + 0.25 * public.skyflow_unit(n, 21)), 1),
        'followers', exp(2 + 8 * standing + 2 * public.skyflow_unit(n, 22))::int,
        'following', exp(3 + 4 * public.skyflow_unit(n, 23))::int,
        'reach', jsonb_build_object(
            'direct', exp(3 + 7 * standing)::int,
            'second_degree', exp(5 + 8 * standing)::int,
            'amplification', public.skyflow_rounded(1 + 4 * public.skyflow_unit(n, 24), 2)),
        'trend', public.skyflow_word(array['rising', 'steady', 'falling'], public.skyflow_unit(n, 25)),
        'percentile', public.skyflow_rounded(100 * standing, 2))
$$;

-- Who thanks whom.
create or replace function public.skyflow_kudos_doc(n bigint, standing double precision)
returns jsonb
language sql stable parallel safe as $$
    select jsonb_build_object(
        'score', public.skyflow_rounded(100 * (0.35 * standing + 0.65 * public.skyflow_unit(n, 31)), 1),
        'likes_received', exp(1 + 6 * standing + public.skyflow_unit(n, 32))::int,
        'likes_given', exp(1 + 6 * public.skyflow_unit(n, 33))::int,
        'mutuals', (public.skyflow_unit(n, 34) * 120)::int,
        'supporters', jsonb_build_array(
            jsonb_build_object(
                'did', public.skyflow_peer(public.skyflow_unit(n, 35)),
                'likes', 1 + (public.skyflow_unit(n, 36) * 40)::int),
            jsonb_build_object(
                'did', public.skyflow_peer(public.skyflow_unit(n, 37)),
                'likes', 1 + (public.skyflow_unit(n, 38) * 20)::int)))
$$;

-- The mood of the last days. The higher the standing, the smaller the share of followers who take part.
create or replace function public.skyflow_pulse_doc(n bigint, standing double precision)
returns jsonb
language sql stable parallel safe as $$
    select jsonb_build_object(
        'score', public.skyflow_rounded(100 * (0.65 - 0.3 * standing + 0.35 * public.skyflow_unit(n, 41)), 1),
        'engagement_rate',
            public.skyflow_rounded(0.005 + 0.12 * public.skyflow_unit(n, 42) * (1 - 0.5 * standing), 4),
        'sentiment', public.skyflow_rounded(2 * public.skyflow_unit(n, 43) - 1, 3),
        'active_minutes', (public.skyflow_unit(n, 44) * 600)::int,
        'mood',
            public.skyflow_word(array['calm', 'upbeat', 'tense', 'curious', 'tired'], public.skyflow_unit(n, 45)),
        'topics', jsonb_build_array(
            public.skyflow_word(array['music', 'science', 'sports', 'cooking', 'games'], public.skyflow_unit(n, 46)),
            public.skyflow_word(array['art', 'travel', 'code', 'weather', 'books'], public.skyflow_unit(n, 47))),
        'window', jsonb_build_object(
            'days', 7,
            'posts_per_day', public.skyflow_rounded(30 * public.skyflow_unit(n, 48), 1)))
$$;
