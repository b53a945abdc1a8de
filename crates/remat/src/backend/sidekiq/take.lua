-- Takes the oldest job of the first queue that has one into the taker's own list, and says that the taker lives.
-- KEYS: the sign of life, the set of lists, then each queue and the taker's list for it.
-- ARGV: seconds of life, then each list's name in the set.
for i = 3, #KEYS, 2 do
  local job = redis.call('LMOVE', KEYS[i], KEYS[i + 1], 'RIGHT', 'LEFT')
  if job then
    redis.call('SET', KEYS[1], '1', 'EX', ARGV[1])
    redis.call('SADD', KEYS[2], ARGV[(i + 1) / 2])
    return {(i - 3) / 2, job}
  end
end
return false
