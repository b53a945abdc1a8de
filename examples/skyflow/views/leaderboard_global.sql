/* remat
strategy    = "swap"
key         = ["user_id"]
tags        = ["leaderboard"]
indexes     = [{ columns = ["rank", "user_id"], unique = true, method = "btree" }]
row_count   = "exact"
description = "All points ever earned, ranked. One user's points move the rank of many, so it changes wholesale."

[publish]
key    = "leaderboard:global"
member = "user_id"
score  = "points"
*/
select
    u.id as user_id,
    u.handle,
    sum(e.points) as points,
    count(*) as events,
    rank() over (order by sum(e.points) desc) as rank,
    max(e.earned_at) as last_earned_at
from points_events e
join users u on u.id = e.user_id
group by u.id, u.handle
