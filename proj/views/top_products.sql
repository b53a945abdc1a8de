/* remat
strategy = "merge"
key = ["product_id"]
schedule = "0-59/10 * * * *"
tags = ["dashboard"]
row_count = "exact"
*/
select product_id, sum(quantity) as sold from shop.orders where ordered_at > now() - interval '30 days' group by 1
