/* remat
strategy = "regular"
target_lag = "30 min"
tags = ["growth"]
description = "Orders for each customer who joined in that month."
*/
select date_trunc('month', c.joined)::date as month, count(o.id)::numeric / count(distinct c.id) as rate from shop.customers c left join shop.orders o on o.customer_id = c.id group by 1
