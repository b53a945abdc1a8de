/* remat
strategy = "swap"
target_lag = "2 h"
tags = ["dashboard"]
*/
select c.country, sum(s.cents) as cents, count(*) as customers from reporting.sales_by_customer s join shop.customers c on c.id = s.customer_id group by 1
