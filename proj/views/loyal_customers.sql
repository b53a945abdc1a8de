/* remat
strategy = "concurrent"
key = ["customer_id"]
schedule = "15 * * * *"
tags = ["growth"]
*/
select customer_id, orders from reporting.sales_by_customer where orders > 25
