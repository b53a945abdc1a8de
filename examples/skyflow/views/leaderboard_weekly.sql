/* remat
strategy    = "merge"
key         = ["user_id"]
tags        = ["leaderboard"]
indexes     = [{ columns = ["rank"] }]
row_count   = "estimated"
description = "Points of the last 7 days, ranked. Users who earned nothing in that time are absent."

[publish]
key    = "leaderboard:weekly"
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
where e.earned_at > now() - interval '7 days'
group by u.id, u.handle
