-- Puts the jobs of a taker that lives no more back where they are taken from next, in their order.
-- KEYS: the sign of life, the taker's list, the queue, the set of lists.
-- ARGV: the list's name in the set.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
local count = 0
while redis.call('LMOVE', KEYS[2], KEYS[3], 'LEFT', 'RIGHT') do
  count = count + 1
end
redis.call('SREM', KEYS[4], ARGV[1])
return count
