-- Reads part of a board, if the board is whole and of this target.
-- KEYS: the board, its meta. ARGV: target, then 'top' and how many, or 'around', a member and how many beside it.
-- Gives {word} when the board cannot serve, else {'ok', data_as_of in microseconds, first rank, member, score, …}.
local meta = redis.call('HMGET', KEYS[2], 'as_of_us', 'target', 'members')
if not meta[1] then return {'cold_start'} end
if meta[2] ~= ARGV[1] then return {'redefined'} end
-- A memory limit, or somebody, may have taken one of the two keys, or part of the board.
if redis.call('ZCARD', KEYS[1]) ~= tonumber(meta[3]) then return {'incomplete'} end
local first, last = 0, -1
if ARGV[2] == 'top' then
  last = tonumber(ARGV[3]) - 1
else
  local rank = redis.call('ZREVRANK', KEYS[1], ARGV[3])
  if not rank then return {'ok', meta[1], '1'} end
  first, last = math.max(rank - tonumber(ARGV[4]), 0), rank + tonumber(ARGV[4])
end
local answer = {'ok', meta[1], tostring(first + 1)}
if last < first then return answer end
for _, text in ipairs(redis.call('ZREVRANGE', KEYS[1], first, last, 'WITHSCORES')) do
  answer[#answer + 1] = text
end
return answer
