/* remat
strategy = "concurrent"
key = ["customer_id"]
target_lag = "1 h"
tags = ["finance"]
description = "What each customer bought, and when last."
*/
select customer_id, count(*) as orders, sum(cents) as cents, max(ordered_at) as last_at from shop.orders group by 1
