-- Lets a new board take the key, together with what is known about it. Readers see the old one or the new one.
-- KEYS: the board, its meta, the new board under a temporary key.
-- ARGV: data_as_of in microseconds, data_as_of as text, view, target, members, run.
-- Gives {'newer', its data_as_of in microseconds}, {'lost', members found} or {'replaced'}.
local held = redis.call('HMGET', KEYS[2], 'as_of_us', 'view')
if held[1] and held[2] == ARGV[3] and tonumber(held[1]) > tonumber(ARGV[1]) then
  redis.call('UNLINK', KEYS[3])
  return {'newer', held[1]}
end
local found = redis.call('ZCARD', KEYS[3])
if found ~= tonumber(ARGV[5]) then
  redis.call('UNLINK', KEYS[3])
  return {'lost', tostring(found)}
end
-- A rename would free the old board while everybody waits.
redis.call('UNLINK', KEYS[1])
if found > 0 then
  redis.call('RENAME', KEYS[3], KEYS[1])
  redis.call('PERSIST', KEYS[1])
end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], 'as_of_us', ARGV[1], 'data_as_of', ARGV[2], 'view', ARGV[3], 'target', ARGV[4],
           'members', ARGV[5], 'run', ARGV[6])
return {'replaced'}
