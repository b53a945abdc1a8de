-- R009 recursive cte
with recursive r (n) as (select 1 union all select n + 1 from r where n < 5) select n from r

-- R010 locking clause
select id from shop.sales for update

-- R011 tablesample
select id from shop.sales tablesample system (10) repeatable (1)

-- R012 xmltable
select x.a from shop.sales s, xmltable('/r' passing (s.note::xml) columns a integer path 'a') x

-- R012 alias over a join
select j.a, j.d from (shop.refunds r join shop.users u on u.id = r.sale_id) as j (a, b, c, d) where j.b > 1

-- R009 recursion that is only announced
with recursive r as (select id from shop.sales) select id from r

-- R016 a name that is both
select shop.both(cents) as b from shop.sales
