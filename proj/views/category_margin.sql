/* remat
strategy = "regular"
schedule = "0 4 * * *"
zone = "Europe/Berlin"
target_lag = "26 h"
tags = ["finance"]
description = "Margin by category; read by the controlling team each morning."
*/
select p.category, sum(o.cents - p.cents * o.quantity) as margin from shop.orders o join shop.products p on p.id = o.product_id group by 1
