-- Forgets a job that is safe elsewhere; one that nobody can read goes to the dead set, with the limits of Sidekiq's own.
-- KEYS: the taker's list, the set of lists, the dead set.
-- ARGV: the job, the list's name in the set; for the dead: the time, the time before which they are forgotten, the job
-- with its complaint.
local mine = redis.call('LREM', KEYS[1], 1, ARGV[1])
if mine == 1 and ARGV[3] then
  redis.call('ZADD', KEYS[3], ARGV[3], ARGV[5])
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', ARGV[4])
  redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -10001)
end
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('SREM', KEYS[2], ARGV[2])
end
return mine
