//! The shapes that are followed by scope: name, key, query.
//!
//! Long because it is a list: each shape is one entry, read on its own.

pub(crate) const SHAPES: &[(&str, &str, &str)] = &[
    ("filter", "id", "select id, cents, note from shop.sales where cents > 100 and note is not null"),
    ("projection", "sale", "select id as sale, cents + 1 as more, note || 'x' as y, tags from shop.sales"),
    (
        "inner join",
        "id",
        "select s.id, u.name, s.cents from shop.sales s join shop.users u on u.id = s.user_id where u.active",
    ),
    (
        "comma join",
        "id",
        "select s.id, u.name, i.kind from shop.sales s, shop.users u, shop.items i where u.id = s.user_id and i.id = s.item_id and i.price > 3",
    ),
    (
        "left join",
        "id",
        "select s.id, u.name, i.kind from shop.sales s left join shop.users u on u.id = s.user_id left join shop.items i on i.id = s.item_id and i.price > 3",
    ),
    (
        "left join with a filter on the missing side",
        "id",
        "select s.id, u.name from shop.sales s left join shop.users u on u.id = s.user_id and u.active where u.id is null or u.score > 3",
    ),
    (
        "anti join",
        "id",
        "select s.id from shop.sales s left join shop.users u on u.id = s.user_id where u.id is null",
    ),
    (
        "left join that is none",
        "id",
        "select s.id, u.team_id from shop.sales s left join shop.users u on u.id = s.user_id where u.team_id = 2",
    ),
    (
        "left join keyed by the other side",
        "id, user_id",
        "select s.id, u.id as user_id from shop.sales s left join shop.users u on u.id = s.user_id where u.id is not null",
    ),
    (
        "left join keyed by what is put for NULL",
        "id, who",
        "select s.id, coalesce(u.name, 'nobody') as who from shop.sales s left join shop.users u on u.id = s.user_id",
    ),
    ("right join", "id", "select s.id, u.name from shop.users u right join shop.sales s on u.id = s.user_id"),
    (
        "full join using",
        "id",
        "select id, u.name as u, t.name as t from shop.users u full join shop.teams t using (id)",
    ),
    (
        "full join with coalesce",
        "id",
        "select coalesce(u.id, t.id) as id, u.name as u, t.name as t from shop.users u full join shop.teams t on u.id = t.id",
    ),
    (
        "full join of three",
        "id",
        "select id, u.name as u, t.name as t, i.kind from shop.users u full join shop.teams t using (id) full join shop.items i using (id)",
    ),
    (
        "full join by group",
        "who",
        "select coalesce(u.id, s.user_id) as who, count(s.id) as n, max(u.name) as name from shop.users u full join shop.sales s on s.user_id = u.id and s.cents > 50 group by coalesce(u.id, s.user_id)",
    ),
    (
        "full join on other columns",
        "id",
        "select coalesce(u.id, 0) * 100 + coalesce(t.id, 0) as id, u.name as u, t.name as t from shop.users u full join shop.teams t on u.team_id = t.id",
    ),
    (
        "chain of outer joins",
        "id, item",
        "select s.id, u.name, t.name as team, coalesce(i.id, 0) as item from shop.sales s left join shop.users u on u.id = s.user_id left join shop.teams t on t.id = u.team_id left join shop.items i on i.id = s.item_id and i.kind <> 'pen'",
    ),
    (
        "outer joins within outer joins",
        "id",
        "select u.id, x.n, x.c from shop.users u left join (select s.user_id, count(*) as n, sum(r.cents) as c from shop.sales s left join shop.refunds r on r.sale_id = s.id group by s.user_id) x on x.user_id = u.id",
    ),
    (
        "nested joins",
        "id, sale",
        "select u.id, coalesce(s.id, 0) as sale, sum(r.cents) as back from shop.users u left join (shop.sales s join shop.refunds r on r.sale_id = s.id) on s.user_id = u.id group by u.id, s.id",
    ),
    (
        "outer join that asks what was put for NULL",
        "id",
        "select s.id, u.team_id, t.name from shop.sales s left join shop.users u on u.id = s.user_id left join shop.teams t on t.id = coalesce(u.team_id, 1)",
    ),
    (
        "eight tables",
        "id, seq",
        "select s.id, r.seq, u.name, t.name as team, i.kind, b.name as other, m.mark from shop.sales s join shop.refunds r on r.sale_id = s.id join shop.users u on u.id = s.user_id join shop.teams t on t.id = u.team_id left join shop.items i on i.id = s.item_id left join shop.users b on b.id = u.score left join shop.teams c on c.id = b.team_id left join (select user_id, max(mark) as mark from shop.marks group by user_id) m on m.user_id = u.id",
    ),
    (
        "self join",
        "a, b",
        "select a.id as a, b.id as b from shop.sales a join shop.sales b on a.user_id = b.user_id and a.id < b.id",
    ),
    (
        "self join up",
        "id",
        "select a.id, b.cents as other from shop.sales a left join shop.sales b on b.id = a.item_id",
    ),
    (
        "join using",
        "id",
        "select id, s.cents, r.cents as back from shop.sales s join shop.users u using (id) left join shop.refunds r on r.sale_id = s.id and r.seq = 3",
    ),
    (
        "group by",
        "user_id",
        "select user_id, count(*) as n, sum(cents) as cents, avg(cents) as mean, min(sold_at), max(note) from shop.sales group by user_id",
    ),
    (
        "group by an expression",
        "day",
        "select date_trunc('day', sold_at) as day, count(*) as n from shop.sales group by date_trunc('day', sold_at)",
    ),
    (
        "group by and join",
        "id",
        "select u.id, u.name, count(s.id) as n, string_agg(s.note, ',' order by s.id) as notes from shop.users u left join shop.sales s on s.user_id = u.id group by u.id",
    ),
    (
        "group by a joined column",
        "kind",
        "select i.kind, count(*) as n, count(distinct s.user_id) as users from shop.sales s join shop.items i on i.id = s.item_id group by i.kind",
    ),
    (
        "group by two",
        "user_id, kind",
        "select s.user_id, i.kind, sum(s.cents) as cents from shop.sales s join shop.items i on i.id = s.item_id group by s.user_id, i.kind",
    ),
    (
        "aggregates",
        "user_id",
        "select user_id, count(*) filter (where cents > 50) as big, count(distinct note) as notes, array_agg(note order by id) as list, string_agg(distinct note, ',' order by note) as text, percentile_cont(0.5) within group (order by cents) as median, mode() within group (order by note) as usual, round(stddev(cents), 6) as deviation, round(corr(cents, item_id)::numeric, 6) as corr, bool_or(cents > 100) as any, json_agg(id order by id)::text as doc from shop.sales group by user_id",
    ),
    (
        "having",
        "user_id",
        "select user_id, count(*) as n from shop.sales group by user_id having count(*) > 3 and sum(cents) > 100",
    ),
    (
        "having of a group that comes and goes",
        "kind",
        "select kind, sum(price) as price from shop.items group by kind having count(*) between 2 and 3",
    ),
    (
        "grouping sets",
        "user_id, level, item",
        "select user_id, grouping(item_id) as level, coalesce(item_id, 0) as item, sum(cents) as cents from shop.sales where item_id is not null group by grouping sets ((user_id, item_id), (user_id))",
    ),
    (
        "rollup beside a column",
        "user_id, item",
        "select user_id, coalesce(item_id, -1) as item, sum(cents) as cents from shop.sales where item_id is not null group by user_id, rollup (item_id)",
    ),
    (
        "distinct",
        "user_id, item",
        "select distinct user_id, coalesce(item_id, 0) as item from shop.sales where cents > 30",
    ),
    (
        "distinct on",
        "user_id",
        "select distinct on (user_id) user_id, id, cents from shop.sales order by user_id, sold_at desc, id",
    ),
    (
        "distinct on in a subquery",
        "id",
        "select u.id, q.cents from shop.users u join (select distinct on (user_id) user_id, cents, note from shop.sales order by user_id, cents desc, id) q on q.user_id = u.id where q.note <> 'c'",
    ),
    (
        "distinct on what is no key",
        "id",
        "select distinct on (coalesce(country, 'x')) id, coalesce(country, 'x') as country from shop.users order by coalesce(country, 'x'), score, id",
    ),
    (
        "distinct on what may be NULL",
        "id",
        "select distinct on (country) id, country, score from shop.users order by country, score, id",
    ),
    (
        "union all",
        "kind, id",
        "select 'sale' as kind, id, cents from shop.sales where cents > 60 union all select 'user', id, score from shop.users",
    ),
    (
        "union",
        "id",
        "select id from shop.users union select item_id from shop.sales where item_id is not null",
    ),
    ("union of unlike types", "id", "select id from shop.users union select id from shop.items"),
    (
        "union in a subquery",
        "id",
        "select q.id, count(*) as n, sum(q.x) as x from (select id, score as x from shop.users union all select user_id, cents from shop.sales union select id, region from shop.teams) q group by q.id",
    ),
    (
        "union all in a subquery with a join",
        "id, what",
        "select u.id, q.what, q.n from shop.users u join (select user_id, 'sale' as what, count(*) as n from shop.sales group by user_id union all select user_id, 'mark', sum(mark) from shop.marks group by user_id) q on q.user_id = u.id",
    ),
    (
        "left join of a union",
        "id",
        "select u.id, count(q.id) as n from shop.users u left join (select user_id, id from shop.sales union all select user_id, item_id from shop.marks) q on q.user_id = u.id group by u.id",
    ),
    ("intersect", "id", "select id from shop.users intersect select user_id from shop.sales"),
    ("except", "id", "select id from shop.users except select user_id from shop.sales where cents > 40"),
    (
        "except all in a subquery",
        "id",
        "select q.id, count(*) as n from (select user_id as id from shop.sales except all select user_id from shop.marks) q group by q.id",
    ),
    (
        "nested set operations",
        "id",
        "(select id from shop.users union select id from shop.teams) except (select user_id from shop.sales where cents > 150 intersect select item_id from shop.sales)",
    ),
    (
        "cte once",
        "user_id",
        "with big as (select * from shop.sales where cents > 50) select user_id, count(*) as n from big group by user_id",
    ),
    (
        "cte twice",
        "id, other",
        "with big as (select id, user_id, cents from shop.sales where cents > 50) select a.id, b.id as other from big a join big b on a.user_id = b.user_id and a.cents < b.cents",
    ),
    (
        "materialized cte of groups twice",
        "id",
        "with n as materialized (select user_id, count(*) as n from shop.sales group by user_id) select u.id, n.n, m.n as of_next from shop.users u join n on n.user_id = u.id left join n m on m.user_id = u.id + 1",
    ),
    (
        "cte that reads a cte",
        "id",
        "with a as (select id, user_id, cents from shop.sales), b as (select user_id, sum(cents) as c from a group by user_id) select a.id, b.c, a.cents from a join b on b.user_id = a.user_id where exists (select 1 from a x where x.user_id = a.user_id and x.cents > 100)",
    ),
    (
        "subquery in from",
        "user_id",
        "select q.user_id, q.n from (select user_id, count(*) as n from shop.sales group by user_id) q where q.n > 3",
    ),
    (
        "group by of a group by",
        "team_id",
        "select coalesce(u.team_id, 0) as team_id, max(q.n) as best from (select user_id, count(*) as n from shop.sales group by user_id) q join shop.users u on u.id = q.user_id group by u.team_id",
    ),
    (
        "exists",
        "id",
        "select id, name from shop.users u where exists (select from shop.sales s where s.user_id = u.id and s.cents > 50)",
    ),
    (
        "not exists",
        "id",
        "select id from shop.users u where not exists (select 1 from shop.sales s where s.user_id = u.id and s.cents > 50) and active",
    ),
    (
        "exists two levels deep",
        "id",
        "select u.id from shop.users u where exists (select 1 from shop.sales s where s.user_id = u.id and not exists (select 1 from shop.refunds r where r.sale_id = s.id and r.cents > u.score))",
    ),
    (
        "in",
        "id",
        "select id, name from shop.users where id in (select user_id from shop.sales where cents > 70)",
    ),
    (
        "in of a nullable column",
        "id",
        "select id from shop.users where team_id in (select region from shop.teams)",
    ),
    (
        "in of rows",
        "id",
        "select id from shop.sales s where (s.user_id, s.item_id) in (select m.user_id, m.item_id from shop.marks m where m.mark > 0)",
    ),
    (
        "in of groups",
        "id",
        "select id, name from shop.users where id in (select user_id from shop.sales group by user_id having sum(cents) > 300)",
    ),
    (
        "not in",
        "id",
        "select id from shop.users where id not in (select user_id from shop.sales where cents > 50)",
    ),
    (
        "not in with NULL among the rows",
        "id",
        "select id from shop.users where id not in (select user_id from shop.marks where mark > 2)",
    ),
    (
        "not in of what is NULL",
        "id",
        "select id from shop.users where team_id not in (select region from shop.teams where region > 2)",
    ),
    (
        "not in of rows",
        "id",
        "select id from shop.sales s where (s.user_id, s.item_id) not in (select m.user_id, m.item_id from shop.marks m where mark = 1)",
    ),
    (
        "in as a value",
        "id",
        "select id, team_id in (select region from shop.teams) as there, id in (select user_id from shop.sales where cents > 100) or active as here from shop.users",
    ),
    (
        "any and all",
        "id",
        "select s.id from shop.sales s where s.cents >= all (select x.cents from shop.sales x where x.user_id = s.user_id) and s.id = any (select sale_id from shop.refunds)",
    ),
    (
        "all over everything",
        "id",
        "select s.id from shop.sales s where s.cents > all (select cents from shop.refunds where seq > 20)",
    ),
    (
        "scalar subquery",
        "id",
        "select u.id, (select count(*) from shop.sales s where s.user_id = u.id) as n, coalesce((select max(s.cents) from shop.sales s where s.user_id = u.id), 0) as most from shop.users u",
    ),
    (
        "scalar subquery over everything",
        "id",
        "select u.id, (select max(mark) from shop.marks) as most, u.name from shop.users u",
    ),
    (
        "scalar subquery in a condition",
        "id",
        "select s.id from shop.sales s where s.cents > (select avg(x.cents) from shop.sales x where x.user_id = s.user_id)",
    ),
    (
        "subquery in having",
        "user_id",
        "select user_id, sum(cents) as cents from shop.sales s group by user_id having sum(cents) > (select 30 * coalesce(max(score), 1) from shop.users u where u.id = s.user_id)",
    ),
    (
        "subquery in on",
        "id",
        "select u.id, count(s.id) as n from shop.users u left join shop.sales s on s.user_id = u.id and s.cents > (select avg(r.cents) from shop.refunds r where r.sale_id = s.id) group by u.id",
    ),
    (
        "array subquery",
        "id",
        "select u.id, array(select s.id from shop.sales s where s.user_id = u.id order by s.id) as sales from shop.users u",
    ),
    (
        "subquery with a limit",
        "id",
        "select u.id, (select s.note from shop.sales s where s.user_id = u.id order by s.sold_at desc, s.id limit 1) as last from shop.users u",
    ),
    (
        "lateral",
        "id, sale",
        "select u.id, l.id as sale, l.cents from shop.users u cross join lateral (select s.id, s.cents from shop.sales s where s.user_id = u.id order by s.sold_at desc, s.id limit 2) l",
    ),
    (
        "left lateral",
        "id",
        "select u.id, l.cents from shop.users u left join lateral (select sum(s.cents) as cents from shop.sales s where s.user_id = u.id) l on true",
    ),
    (
        "inner lateral of everything",
        "id",
        "select u.id, l.n from shop.users u cross join lateral (select count(*) as n from shop.sales s where s.user_id = u.id and s.cents > 100) l",
    ),
    (
        "lateral values",
        "id, name",
        "select s.id, v.name, v.n from shop.sales s cross join lateral (values ('cents', s.cents), ('user', s.user_id)) v (name, n)",
    ),
    (
        "unnest",
        "tag",
        "select t.tag, count(*) as n, count(distinct s.user_id) as users from shop.sales s cross join lateral unnest(s.tags) t (tag) group by t.tag",
    ),
    ("unnest in the list", "id, tag", "select distinct id, unnest(tags) as tag from shop.sales"),
    (
        "values joined",
        "id, label",
        "select s.id, v.label from shop.sales s join (values (1, 'low'), (100, 'high')) v (cents, label) on s.cents >= v.cents",
    ),
    (
        "series joined",
        "n",
        "select g.n, count(s.id) as sales from generate_series(1, 12) g (n) left join shop.sales s on s.user_id = g.n group by g.n",
    ),
    (
        "window",
        "id",
        "select id, user_id, rank() over (partition by user_id order by cents desc) as rank, sum(cents) over (partition by user_id order by sold_at, id) as running from shop.sales",
    ),
    (
        "window keyed by its partition",
        "user_id, place",
        "select user_id, row_number() over (partition by user_id order by cents desc, id) as place, id from shop.sales",
    ),
    (
        "window with the partition hidden",
        "team, id",
        "select t.id as team, u.id, u.name, rank() over (partition by u.team_id order by u.score desc nulls last) as rank from shop.users u join shop.teams t on t.id = u.team_id",
    ),
    (
        "windows by several",
        "user_id, id",
        "select user_id, id, count(*) over (partition by user_id, note) as n, first_value(cents) over w as first from shop.sales window w as (partition by user_id order by id)",
    ),
    (
        "window in a subquery",
        "user_id, id",
        "select q.user_id, q.id from (select s.*, row_number() over (partition by user_id order by cents desc, id) as n from shop.sales s) q where q.n <= 2",
    ),
    (
        "window over groups",
        "user_id, item",
        "select user_id, coalesce(item_id, 0) as item, sum(cents) as cents, rank() over (partition by user_id order by sum(cents) desc) as rank from shop.sales group by user_id, item_id",
    ),
    ("clock window", "id", "select id, cents from shop.sales where sold_at > now() - interval '12 hours'"),
    (
        "clock windows from both sides",
        "user_id",
        "select user_id, count(*) as n from shop.sales where sold_at > now() - interval '30 hours' and sold_at <= now() and sold_on >= current_date - 3 group by user_id",
    ),
    (
        "clock window of an expression",
        "id",
        "select id from shop.sales where sold_at + interval '1 day' > now() and cents > 20",
    ),
    (
        "clock window in on",
        "id",
        "select u.id, count(s.id) as n from shop.users u left join shop.sales s on s.user_id = u.id and s.sold_at > now() - interval '10 hours' group by u.id",
    ),
    (
        "clock window in a sub-select",
        "id",
        "select u.id from shop.users u where not exists (select 1 from shop.sales s where s.user_id = u.id and s.sold_at > now() - interval '10 hours')",
    ),
    (
        "clock window over two tables",
        "id",
        "select u.id, sum(r.cents) as cents from shop.users u join shop.sales s on s.user_id = u.id join shop.refunds r on r.sale_id = s.id and r.made_at < now() where s.sold_at < now() - interval '5 hours' group by u.id",
    ),
    (
        "clock window in a subquery of groups",
        "id",
        "select u.id, q.n, q.last from shop.users u join (select user_id, count(*) as n, max(sold_at) as last from shop.sales where sold_at > now() - interval '20 hours' group by user_id) q on q.user_id = u.id",
    ),
    (
        "clock window in a union",
        "kind",
        "select q.kind, count(*) as n, count(distinct q.id) as ids from (select 'sale' as kind, id from shop.sales where sold_at > now() - interval '20 hours' union all select 'refund', sale_id from shop.refunds where made_at > now() - interval '20 hours') q group by q.kind",
    ),
    (
        "clock window on a side that may be missing",
        "id, seq",
        "select s.id, r.seq, r.made_at from shop.sales s left join shop.refunds r on r.sale_id = s.id where r.made_at < now() - interval '2 hours'",
    ),
    (
        "full join keyed by either side",
        "id",
        "select coalesce(s.id, r.sale_id * 1000 + r.seq) as id, s.cents, r.cents as back from shop.sales s full join shop.refunds r on r.sale_id = s.item_id and r.seq = s.id",
    ),
    (
        "full join within a left join",
        "id",
        "select u.id, count(q.n) as n, max(q.kind) as kind from shop.users u left join (select coalesce(t.id, i.id) as n, i.kind from shop.teams t full join shop.items i on i.id = t.id) q on q.n = u.score group by u.id",
    ),
    (
        "full join of groups",
        "id",
        "select id, q.n, m.n as marks from (select user_id as id, count(*) as n from shop.sales group by user_id) q full join (select user_id as id, count(*) as n from shop.marks where user_id is not null group by user_id) m using (id)",
    ),
    (
        "full join and then a left join",
        "id",
        "select id, t.name, u.name as who, q.n from shop.teams t full join shop.users u using (id) left join (select team_id as id, count(*) as n from shop.users where team_id is not null group by team_id) q using (id)",
    ),
    (
        "right join of a left join",
        "id",
        "select t.id, count(q.id) as n, sum(q.cents) as cents from (select u.id, u.team_id, s.cents from shop.users u left join shop.sales s on s.user_id = u.id) q right join shop.teams t on t.id = q.team_id group by t.id",
    ),
    (
        "inner join over a left join",
        "id",
        "select s.id, t.name from shop.sales s left join shop.users u on u.id = s.user_id join shop.teams t on t.id = u.team_id",
    ),
    (
        "two sides put for NULL in the key",
        "id, who, what",
        "select s.id, coalesce(u.score, -1) as who, coalesce(i.kind, 'none') as what from shop.sales s left join shop.users u on u.id = s.user_id and u.active left join shop.items i on i.id = s.item_id and i.price > 2",
    ),
    (
        "groups by what two sides put for NULL",
        "who, what",
        "select coalesce(u.country, 'none') as who, coalesce(i.kind, 'none') as what, count(*) as n from shop.sales s left join shop.users u on u.id = s.user_id left join shop.items i on i.id = s.item_id group by coalesce(u.country, 'none'), coalesce(i.kind, 'none')",
    ),
    (
        "in of a union",
        "id",
        "select id from shop.users where id in (select user_id from shop.sales where cents > 120 union select user_id from shop.marks where mark > 1)",
    ),
    (
        "not in of a union",
        "id",
        "select id from shop.users where id not in (select user_id from shop.sales where cents > 120 union all select user_id from shop.marks where mark > 2)",
    ),
    (
        "exists over what is left",
        "id",
        "select id from shop.users u where exists (select user_id from shop.sales s where s.user_id = u.id except select user_id from shop.marks m where m.user_id = u.id)",
    ),
    (
        "not exists over a full join",
        "id",
        "select t.id from shop.teams t where not exists (select from (select * from shop.users where team_id = t.id) u full join (select * from shop.marks where user_id = t.id) m on m.user_id = u.id)",
    ),
    (
        "in with an expression",
        "id",
        "select id from shop.users where id + 1 in (select user_id from shop.sales where cents > 60) and score - 1 not in (select mark from shop.marks where item_id > 5)",
    ),
    (
        "in within on",
        "id",
        "select u.id, count(s.id) as n from shop.users u left join shop.sales s on s.user_id = u.id and s.item_id in (select i.id from shop.items i where i.kind = 'pen') group by u.id",
    ),
    (
        "cte in a sub-select",
        "id",
        "select u.id, (with m as (select max(s.cents) as c from shop.sales s where s.user_id = u.id) select c from m) as most from shop.users u",
    ),
    (
        "cte read in a sub-select",
        "id",
        "with n as (select user_id, sum(cents) as c from shop.sales group by user_id) select u.id, u.name from shop.users u where exists (select from n where n.user_id = u.id and n.c > 200)",
    ),
    (
        "cte read by in",
        "id",
        "with n as (select user_id from shop.sales group by user_id having count(*) > 4) select u.id, u.name from shop.users u where u.id in (select user_id from n)",
    ),
    (
        "lateral in a lateral",
        "id",
        "select u.id, l.n, l.back from shop.users u cross join lateral (select count(*) as n, sum(x.back) as back from shop.sales s cross join lateral (select sum(r.cents) as back from shop.refunds r where r.sale_id = s.id) x where s.user_id = u.id) l",
    ),
    (
        "left lateral with a limit",
        "id",
        "select u.id, l.id as sale, l.kind from shop.users u left join lateral (select s.id, i.kind from shop.sales s join shop.items i on i.id = s.item_id where s.user_id = u.id order by s.cents desc, s.id limit 1) l on true",
    ),
    (
        "lateral whose result joins on",
        "id",
        "select u.id, i.kind from shop.users u cross join lateral (select s.item_id from shop.sales s where s.user_id = u.id order by s.cents desc, s.id limit 1) l left join shop.items i on i.id = l.item_id",
    ),
    (
        "lateral over a union",
        "id",
        "select u.id, l.n, l.x from shop.users u cross join lateral (select count(*) as n, sum(q.x) as x from (select s.cents as x from shop.sales s where s.user_id = u.id union all select m.mark from shop.marks m where m.user_id = u.id) q) l",
    ),
    (
        "rollup in a lateral",
        "id",
        "select u.id, (select string_agg(q.n::text, ',' order by q.n) from (select count(*) as n from shop.sales s where s.user_id = u.id group by rollup (s.note)) q) as levels from shop.users u",
    ),
    (
        "window in a lateral",
        "id, sale",
        "select u.id, l.id as sale, l.rank from shop.users u cross join lateral (select s.id, rank() over (order by s.cents desc) as rank from shop.sales s where s.user_id = u.id) l",
    ),
    (
        "sub-select of an aggregate of the outer query",
        "id",
        "select u.team_id as id, count(*) as n, (select count(*) from shop.sales s where s.user_id = max(u.id)) as of_last from shop.users u where u.team_id is not null group by u.team_id",
    ),
    (
        "filter with a sub-select",
        "user_id",
        "select s.user_id, count(*) filter (where exists (select from shop.refunds r where r.sale_id = s.id)) as back, count(*) as n from shop.sales s group by s.user_id",
    ),
    (
        "case with a sub-select",
        "id",
        "select u.id, case when exists (select from shop.sales s where s.user_id = u.id and s.cents > 100) then 'big' when u.id in (select user_id from shop.marks) then 'marked' else 'small' end as size from shop.users u",
    ),
    (
        "distinct of a join",
        "country, kind",
        "select distinct u.country, i.kind from shop.sales s join shop.users u on u.id = s.user_id join shop.items i on i.id = s.item_id where u.country is not null",
    ),
    (
        "distinct of a window",
        "user_id, n",
        "select distinct user_id, count(*) over (partition by user_id) as n from shop.sales",
    ),
    (
        "function over a row in from",
        "id, n",
        "select s.id, g.n from shop.sales s cross join lateral generate_series(1, s.cents / 50) g (n)",
    ),
    (
        "values with columns in groups",
        "name",
        "select v.name, sum(v.n) as n, count(*) as rows from shop.sales s cross join lateral (values ('cents', s.cents), ('user', s.user_id)) v (name, n) group by v.name",
    ),
    (
        "keys of two tables",
        "id, item",
        "select u.id, i.id as item, count(s.id) as n from shop.users u cross join shop.items i left join shop.sales s on s.user_id = u.id and s.item_id = i.id where i.kind = 'pen' group by u.id, i.id",
    ),
    (
        "range join",
        "id, item",
        "select u.id, i.id as item from shop.users u join shop.items i on i.price < u.score and i.price > u.score - 3",
    ),
    (
        "three levels of groups",
        "region",
        "select coalesce(t.region, 0) as region, sum(q.n) as n, max(q.most) as most from (select x.team_id, count(*) as n, max(x.cents) as most from (select u.id, u.team_id, sum(s.cents) as cents from shop.users u join shop.sales s on s.user_id = u.id group by u.id) x group by x.team_id) q join shop.teams t on t.id = q.team_id group by coalesce(t.region, 0)",
    ),
    (
        "group by of a left join of groups",
        "id, kind",
        "select u.id, coalesce(q.kind, 'none') as kind, sum(q.n) as n from shop.users u left join (select s.user_id, i.kind, count(*) as n from shop.sales s left join shop.items i on i.id = s.item_id group by s.user_id, i.kind) q on q.user_id = u.id and q.kind <> 'cup' group by u.id, coalesce(q.kind, 'none') having coalesce(q.kind, 'none') = 'none' or u.id > 0",
    ),
];

/// Shapes that cannot be traced, each with its code.
pub(crate) const REFUSED: &[(&str, &str, &str)] = &[
    ("R020 limit", "id", "select id, cents from shop.sales order by cents desc, id limit 10"),
    (
        "R020 limit in a subquery",
        "id",
        "select q.id from (select id from shop.sales order by cents desc, id limit 10) q",
    ),
    (
        "R022 window over everything",
        "id",
        "select id, rank() over (order by cents desc) as rank from shop.sales",
    ),
    ("R022 one row", "id", "select 1 as id, count(*) as n from shop.sales"),
    (
        "R022 group by an aggregate",
        "n",
        "select q.n, count(*) as users from (select user_id, count(*) as n from shop.sales group by user_id) q group by q.n",
    ),
    (
        "R022 rollup",
        "item",
        "select coalesce(item_id, 0) as item, sum(cents) as cents from shop.sales where item_id is not null group by rollup (item_id)",
    ),
    ("R021 clock in the list", "id", "select id, now() - sold_at as age from shop.sales"),
    ("R021 clock in an or", "id", "select id from shop.sales where sold_at > now() or cents > 3"),
    (
        "R021 clock over two tables",
        "id",
        "select s.id from shop.sales s join shop.refunds r on r.sale_id = s.id and r.seq = 1 where s.sold_at + r.cents * interval '1 minute' > now()",
    ),
    (
        "R021 clock over an aggregate",
        "user_id",
        "select q.user_id from (select user_id, max(sold_at) as last from shop.sales group by user_id) q where q.last > now() - interval '1 day'",
    ),
    (
        "R022 clock window that everything depends on",
        "id",
        "select u.id, (select count(*) from shop.sales where sold_at > now()) as n from shop.users u",
    ),
];
