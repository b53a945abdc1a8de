/* remat
strategy = "auto"
key = ["day"]
target_lag = "5 min"
tags = ["dashboard", "finance"]
description = "Revenue and orders of each day, in UTC."
row_count = "exact"
*/
select date_trunc('day', ordered_at, 'UTC')::date as day, count(*) as orders, sum(cents) as cents, avg(cents)::int as mean
from shop.orders group by 1
