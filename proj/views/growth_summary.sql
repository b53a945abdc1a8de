/* remat
strategy = "regular"
target_lag = "1 h"
tags = ["growth"]
*/
select max(month) as month, avg(rate) as rate from reporting.conversion_rate
