-- filter
select id, cents from shop.sales where cents > 100 and note is not null and (user_id = 1 or user_id = 2)

-- projection
select id as sale, cents + 1 as more, -cents as less, cents % 7, note || 'x' as y, 'it''s' as quoted, E'a\\b\n' as escaped from shop.sales

-- all columns
select * from shop.sales

-- constants only
select 1 as one, 'x'::text as x, null::integer as nothing, true as yes, 1.50 as price, -1 as minus, '{1,2}'::integer[] as list

-- no columns of a table
select count(*) from shop.sales

-- inner join
select s.id, u.handle from shop.sales s join shop.users u on u.id = s.user_id where s.cents > 5

-- comma join
select s.id, u.handle from shop.sales s, shop.users u where u.id = s.user_id and u.active

-- left join
select u.id, s.id as sale from shop.users u left join shop.sales s on s.user_id = u.id and s.cents > 5 where u.active

-- right join
select u.id, s.id as sale from shop.sales s right join shop.users u on s.user_id = u.id

-- full join
select u.id, s.id as sale from shop.sales s full join shop.users u on s.user_id = u.id

-- cross join
select u.id, s.id as sale from shop.sales s cross join shop.users u

-- join using
select id, s.cents, r.cents as back from shop.sales s join shop.users u using (id) left join shop.refunds r on r.sale_id = s.id

-- full join using
select id, s.cents, u.handle from shop.sales s full join shop.users u using (id) where id > 3 order by id

-- left join using
select user_id, s.cents, m.mood from shop.sales s left join shop.moods m using (user_id)

-- full join using twice
select user_id, s.cents, m.mood, t.cents as total from shop.sales s full join shop.moods m using (user_id) full join shop.totals t using (user_id)

-- natural join
select * from shop.totals natural join shop.moods

-- join using with an alias
select j.id, s.cents from shop.sales s join shop.users u using (id) as j

-- nested joins
select s.id, u.handle, r.seq from shop.users u left join (shop.sales s join shop.refunds r on r.sale_id = s.id) on s.user_id = u.id

-- self join
select a.id, b.id as other from shop.sales a join shop.sales b on a.user_id = b.user_id and a.id < b.id

-- self join without aliases of its own
select sales.id from shop.sales where exists (select 1 from shop.sales x where x.user_id = sales.user_id and x.id <> sales.id)

-- same name twice
select t.id from shop.users t where exists (select 1 from shop.sales t where t.user_id = 7)

-- group by
select user_id, count(*) as n, sum(cents) as cents, avg(price) as price, min(sold_at), max(note) from shop.sales group by user_id

-- group by an expression
select date_trunc('day', sold_at) as day, count(*) from shop.sales group by date_trunc('day', sold_at)

-- group by a key and what depends on it
select u.id, u.handle, count(s.id) from shop.users u left join shop.sales s on s.user_id = u.id group by u.id

-- group by an ordinal and an alias
select user_id as who, cents / 100 as euros, count(*) from shop.sales group by 1, euros

-- group by a constant
select 'all' as what, count(*) from shop.sales group by 'all'::text

-- aggregates with filter, distinct and order
select user_id, count(*) filter (where cents > 5) as big, count(distinct note) as notes, array_agg(note order by sold_at desc nulls last, id) as list, string_agg(distinct note, ',' order by note) as text from shop.sales group by user_id

-- ordered-set aggregates
select user_id, percentile_cont(0.5) within group (order by cents) as median, mode() within group (order by note) as usual, rank(5) within group (order by cents desc) filter (where cents > 0) from shop.sales group by user_id

-- user's own aggregate
select user_id, shop.total(cents) filter (where cents > 1) as total from shop.sales group by user_id

-- aggregates within expressions
select user_id, round(avg(cents), 2) as average, (sum(cents) / nullif(count(*), 0))::numeric(10, 2) as other, coalesce(max(note), 'none') from shop.sales group by user_id

-- variadic aggregate and function
select concat_ws(',', variadic tags) as line, json_object_agg(note, cents) as doc, num_nulls(variadic array[1, null]) from shop.sales group by tags

-- having
select user_id, count(*) from shop.sales group by user_id having count(*) > 3 and sum(cents) > 100

-- having without group by
select sum(cents) from shop.sales having count(*) > 3

-- grouping sets
select user_id, sold_on, grouping(user_id, sold_on) as level, sum(cents) from shop.sales group by grouping sets ((user_id, sold_on), (user_id), ())

-- rollup and cube
select user_id, sold_on, note, sum(cents) from shop.sales group by rollup (user_id, sold_on), cube (note)

-- grouping sets within grouping sets
select user_id, sold_on, note, sum(cents) from shop.sales group by grouping sets (rollup (user_id, (sold_on, note)), ()), id

-- group by distinct
select user_id, sold_on, sum(cents) from shop.sales group by distinct rollup (user_id, sold_on), rollup (user_id)

-- distinct
select distinct user_id, note from shop.sales

-- distinct on
select distinct on (user_id) user_id, id, cents from shop.sales order by user_id, sold_at desc, id

-- union all
select id from shop.sales union all select id from shop.users

-- union
select id, 'sale' as kind from shop.sales union select id, handle from shop.users order by 2, id desc limit 5

-- intersect and except
select id from shop.sales intersect select id from shop.users except all select sale_id from shop.refunds

-- nested set operations
(select id from shop.sales union select id from shop.users) except (select sale_id from shop.refunds intersect all select id from shop.users) order by 1

-- set operation with limits inside
(select id from shop.sales order by cents limit 3) union all (select id from shop.users order by handle offset 2) union all values (1), (2)

-- set operation with a with clause inside
select id from shop.sales union all (with x as (select id from shop.users) select id from x)

-- cte once
with big as (select * from shop.sales where cents > 100) select user_id, count(*) from big group by user_id

-- cte twice
with big as materialized (select user_id, cents from shop.sales where cents > 100), small (who, c) as not materialized (select user_id, cents from shop.sales where cents < 10) select a.user_id, b.c, d.cents from big a join small b on a.user_id = b.who join big d on d.user_id = b.who

-- cte that reads a cte
with a as (select id, cents from shop.sales), b as (select id, cents * 2 as c from a) select b.id, c, (select max(cents) from a) as most from b where exists (select 1 from a where a.id = b.id)

-- cte that hides a table
with sales as (select id from shop.sales) select id from sales where id in (select id from shop.sales)

-- cte in a sub-select
select q.n from (with x as (select count(*) as n from shop.sales) select n from x) q

-- subquery in from
select q.user_id, q.n from (select user_id, count(*) as n from shop.sales group by user_id) q where q.n > 3

-- subquery in from with column aliases
select who, n from (select user_id, count(*) from shop.sales group by user_id) q (who, n) join shop.users u on u.id = q.who

-- subquery of set operations in from
select q.id, count(*) from (select id from shop.sales union all select id from shop.users) q group by q.id

-- exists
select id from shop.users u where exists (select from shop.sales s where s.user_id = u.id and s.cents > 5)

-- not exists
select id from shop.users u where not exists (select 1 from shop.sales s where s.user_id = u.id) and active

-- in and not in
select id from shop.users where id in (select user_id from shop.sales where cents > 5) and id not in (select sale_id from shop.refunds)

-- in of rows
select id from shop.sales s where (user_id, cents) in (select r.sale_id, r.cents from shop.refunds r) and (id, user_id) not in (select 1, 2)

-- in a list
select id from shop.sales where user_id in (1, 2, 3) and note not in ('a', 'b') and cents = any ('{1,2}')

-- any and all
select id from shop.sales where cents > all (select cents from shop.refunds) and cents <> any (select seq from shop.refunds) and note like any (array['a%', 'b%'])

-- scalar subquery
select u.id, (select max(cents) from shop.sales) as most from shop.users u

-- correlated scalar subquery
select u.id, (select count(*) from shop.sales s where s.user_id = u.id) as n, coalesce((select max(s.cents) from shop.sales s where s.user_id = u.id), 0) as most from shop.users u

-- subquery two levels deep
select u.id from shop.users u where exists (select 1 from shop.sales s where s.user_id = u.id and exists (select 1 from shop.refunds r where r.sale_id = s.id and r.cents > length(u.handle)))

-- array subquery
select u.id, array(select s.id from shop.sales s where s.user_id = u.id order by s.sold_at) as sales from shop.users u

-- row comparison with a subquery
select id from shop.sales s where (user_id, cents) = (select r.sale_id, r.cents from shop.refunds r limit 1)

-- lateral
select u.id, l.id as sale from shop.users u cross join lateral (select s.id, s.cents from shop.sales s where s.user_id = u.id order by s.sold_at desc limit 3) l

-- left lateral
select u.id, l.cents from shop.users u left join lateral (select sum(s.cents) as cents from shop.sales s where s.user_id = u.id) l on true

-- lateral values
select s.id, v.name, v.n from shop.sales s cross join lateral (values ('cents', s.cents), ('user', s.user_id::integer)) v (name, n)

-- values
values (1, 'a'), (2, 'b')

-- values in from
select v.a, v.b from (values (1, 'a'), (2, null)) v (a, b) where v.a > 1

-- values joined
select s.id, v.label from shop.sales s join (values (1, 'low'), (100, 'high')) v (cents, label) on s.cents >= v.cents

-- functions in from
select g, s.tag, s.n from generate_series(1, 3) g, shop.sales x cross join lateral unnest(x.tags) with ordinality s (tag, n)

-- functions in from of rows
select p.a, p.b, j.x from shop.pairs(3) p, jsonb_to_record('{"x": 1}') as j (x integer, y text)

-- rows from
select * from rows from (generate_series(1, 3), unnest(array['a', 'b'])) with ordinality as r (n, t, o)

-- set-returning function in the list
select id, unnest(tags) as tag from shop.sales

-- window
select id, rank() over (order by cents desc) as rank, sum(cents) over (partition by user_id order by sold_at, id) as running, lag(cents, 1, 0) over (partition by user_id order by id) from shop.sales

-- window frames
select id, avg(cents) over (order by sold_at range between interval '7 days' preceding and current row) as week, sum(cents) over (order by id rows between 2 preceding and 2 following exclude current row) as near, count(*) over (order by sold_on groups between unbounded preceding and 1 following exclude ties), last_value(cents) over (order by id rows between current row and unbounded following) from shop.sales

-- named windows
select id, sum(cents) over w as total, rank() over (w order by id) as r, count(*) filter (where cents > 1) over v from shop.sales window w as (partition by user_id), v as (w order by sold_at rows unbounded preceding)

-- window over groups
select user_id, sum(cents) as cents, rank() over (order by sum(cents) desc) as rank from shop.sales group by user_id

-- order and limit
select id, cents from shop.sales order by cents desc nulls last, id limit 10 offset 5

-- order by what is not shown
select id from shop.sales order by lower(note) collate "C" nulls first, sold_at using > limit 3

-- order by names that were swapped
select cents as id, id as cents from shop.sales order by id, sales.cents

-- fetch with ties
select id, cents from shop.sales order by cents desc fetch first 3 rows with ties

-- offset without limit
select id from shop.sales order by id offset 10

-- limit all and limit expressions
select q.id, r.id as other from (select id from shop.sales order by id limit all) q, (select id from shop.sales order by id limit (1 + 2) offset (select 1)) r

-- casts
select cents::text as t, '12'::integer as i, sold_at::date as d, price::double precision as f, note::varchar(10) as v, cents::numeric(10, 2) as n, '2026-01-01'::timestamp with time zone as z, note::character(3) as c, (doc ->> 'a')::bigint as big, tags::varchar[] as vs, 1::bit(3) as b, '1'::"char" as ch from shop.sales

-- arrays
select tags[1] as first, tags[1:2] as slice, tags[:2], array[cents, 2] as two, array[[1, 2], [3, 4]] as grid, tags || array['x'] as more, array[]::text[] as none, tags @> array['a'] as has, cents = any (array[1, 2]) from shop.sales

-- json
select doc -> 'a' as a, doc ->> 'b' as b, doc #>> '{a,b}' as c, doc @> '{"x": 1}' as d, doc ? 'k' as e, jsonb_build_object('id', id, 'c', cents) as f, doc['a']['b'] as g, doc @? '$.a[*]' as h from shop.sales

-- case
select case when cents > 100 then 'big' when cents > 10 then 'middle' else 'small' end as size, case user_id when 1 then 'one' when 2 then note end as who from shop.sales

-- booleans
select id from shop.users where active and not (country = 'de' or country is null) and active is not false and country is distinct from 'fr' and (email is null) = active and handle is not distinct from email

-- between and similar
select id from shop.sales where cents between 1 and 10 and cents not between 3 and 4 and cents between symmetric 9 and 1 and note like 'a%' and note not ilike '%b' and note similar to 'a|b' and note ~ '^x' and note like 'a!%' escape '!'

-- intervals and dates
select sold_at + interval '1 day 02:00' as tomorrow, extract(epoch from sold_at) as epoch, date_part('year', sold_at) as year, sold_on - 7 as week, age(sold_at, '2026-01-01') as age, sold_at::time as t, interval '1' year as y, (sold_at, sold_at + interval '1 day') overlaps (sold_at, sold_at) as o from shop.sales

-- time zones
select sold_at at time zone 'UTC' as utc, local_at at time zone 'Europe/Berlin' as there, (sold_at at time zone 'UTC')::date as day from shop.sales

-- functions of the grammar
select coalesce(note, 'x') as a, nullif(note, '') as b, greatest(cents, 1, 2) as c, least(cents, 3) as d, substring(note from 2 for 3) as e, position('a' in note) as f, trim(both 'x' from note) as g, overlay(note placing 'y' from 1 for 2) as h, substring(note, '^a') as i, normalize(note) as j, collation for (note) as k, trim(leading from note) as l, substring(note similar 'a' escape '#') as m from shop.sales

-- rows
select (id, note) = (1, 'x') as e, row(id, cents) < row(1, 2) as l, (id, cents) is null as n from shop.sales

-- composite values
select (pair).a as a, (m.pair).b as b, m as whole, (row(1, 'x')::shop.pair).b as c from shop.moods m

-- enums
select user_id, mood::text as m from shop.moods where mood > 'sad' and mood = any (enum_range(null::shop.mood))

-- functions and operators of a user
select shop.plus(cents, 2) as p, shop.plus(a => cents) as n, cents operator(shop.|+|) 3 as o from shop.sales where operator(pg_catalog.-) cents < 3

-- collations
select note collate "C" as c, handle collate "POSIX" > 'a' as d from shop.sales s join shop.users u on u.id = s.user_id where note collate "C" > 'b'

-- hostile names
select "T able"."select" as "from", "Ünï" as "a""b", "a.b" + "x""y" as "A B", "$1" as "it's" from "Od""d"."T able"

-- hostile aliases
select "sel ect"."select", "x.y"."Ünï", "x.y"."a.b" from "Od""d"."T able" "sel ect" join "Od""d"."T able" "x.y" on "sel ect"."select" = "x.y"."a.b" where "x.y"."$1" = 'from "Od""d"."T able"'

-- hostile column aliases
with "w ith" ("a b", "c""d") as (select id, note from shop.sales) select q."a b", q."c""d" as "order", count(*) from "w ith" q group by 1, 2

-- reserved words as names
select "select"."from" as "where", "group" from (select id as "from", note as "group" from shop.sales) "select" where "select"."from" > 1

-- views under the view
select a.handle, t.cents from shop.active_users a join shop.totals t on t.user_id = a.id

-- partitioned table
select kind, count(*) from shop.events group by kind

-- only the table itself
select id from only shop.events

-- system columns
select ctid as place, tableoid::regclass::text as source, id from shop.sales s

-- system relations
select c.relname, n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r'

-- information schema
select table_name from information_schema.tables

-- system types
select 'shop.sales'::regclass as r, '1 2'::int2vector as v, '127.0.0.1'::inet as i, '[1,5)'::int4range as range, 'a & b'::tsquery as q, to_tsvector('english', note) as t, '<a/>'::xml as x, 5::money as m, '(1,2)'::point as p, b'101' as bits, x'1f' as hex, '\xff'::bytea as bytes from shop.sales

-- clock windows
select id from shop.sales where sold_at > now() - interval '7 days' and sold_on >= current_date - 30 and localtimestamp > local_at and sold_at between now() - interval '1 day' and date_trunc('day', current_timestamp)

-- clock elsewhere
select id, now() - sold_at as age, case when sold_at > now() then 1 end as future from shop.sales where sold_at > now() or cents > 3

-- session values
select current_user::text as who, current_date as today, current_time(2) as t, session_user as s, current_schema as cs, current_catalog as c, localtime as lt from shop.sales

-- xml functions
select xmlelement(name foo, xmlattributes(cents as c), note) as x, xmlforest(note as n) as f, xmlconcat('<a/>', '<b/>') as c from shop.sales

-- aggregates of an outer query
select u.country, (select count(*) from shop.sales s where s.user_id = max(u.id)) as n, (select sum(max(u.id) + s.cents) from shop.sales s) as odd from shop.users u group by u.country

-- everything at once
with recent as (select s.user_id, s.cents, s.sold_at from shop.sales s where s.sold_at > now() - interval '30 days') select u.country, count(distinct r.user_id) as buyers, sum(r.cents) filter (where r.cents > 0) as cents, rank() over (order by sum(r.cents) desc nulls last) as rank, (select count(*) from shop.refunds f where f.made_at > min(r.sold_at)) as refunds from recent r join shop.users u on u.id = r.user_id and u.active left join lateral (select count(*) as n from shop.refunds) x on true where u.country is not null and not exists (select 1 from shop.moods m where m.user_id = u.id and m.mood = 'sad') group by u.country having count(*) > 1 order by 3 desc nulls last, u.country limit 20

-- order by a constant
select 1 as a, 'x'::text as b, cents from shop.sales order by a, b, cents limit 2

-- distinct on a constant
select distinct on (1) 7 as one, id from shop.sales order by 1, id

-- values in order
values (2, 'b'), (1, 'a') order by 1 limit 1

-- exists over values and set operations
select id from shop.users u where exists (values (1)) and id in (select id from shop.sales union select sale_id from shop.refunds where sale_id = u.id)

-- cte in a sub-select of an expression
select id, (with m as (select max(cents) as c from shop.sales s where s.user_id = u.id) select c from m) as most from shop.users u

-- rows against any row
select id from shop.sales s where (id, user_id) <> all (select sale_id, seq from shop.refunds) and row(id, cents) > (select 1, 2)

-- subscripts of calls and casts
select (string_to_array(note, ','))[1] as a, (note::text[])[2] as b, (array[1, 2])[1] as c, ('{1,2}'::integer[])[1:1] as d from shop.sales

-- window over everything
select count(*) over () as n, sum(count(*)) over (order by user_id) as s from shop.sales group by user_id

-- functions of the grammar in from
select c, g from coalesce(1, 2) c, lateral generate_series(1, c) g

-- types with numbers and quotes
select local_at::timestamp(3) as a, sold_at::time(2) with time zone as b, '1 s'::interval second(2) as c, b'1'::bit varying(3) as d, note::"char" as e, '(1,x)'::shop.pair as f from shop.sales

-- whole rows
select s as row, row_to_json(u) as doc, count(s) over () as n from shop.sales s join shop.users u on u.id = s.user_id where s is not null

-- prefix and postfix operators
select -(-cents) as a, @ cents as b, not (cents is null) as c, |/ cents::double precision as d, ~ cents as e from shop.sales where cents isnull

-- a long chain
select id from shop.sales where cents = 1 or cents = 2 or cents = 3 and note = 'a' and not note = 'b' or (cents + 1 - 2 * 3 / 4 % 5) ^ 2 > 1
