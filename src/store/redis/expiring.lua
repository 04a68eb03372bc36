-- What expires, kept in Redis. Every operation is one call of this script, and Redis runs nothing beside it.
--
-- KEYS[1]  what all names begin with; its braces keep them together in a cluster
-- ARGV     the operation, then what it takes; times are seconds since 1970, an empty text is none
--
-- r<id>    record: v value, e end, o owner, p session at the provider, s session to which it belongs
-- a<id>    what belongs to this session      o<owner>, p<id>   sessions that can be ended by this mark
-- h<kind><id>  held for this session: l login, n version, v value, u used, x 1 when the session has ended
-- c<id>    attempts: n count, e end          sessions          ids by their ends
-- left<kind>   sessions that have ended and of which something is held
-- ended    the last sessions that have ended, by their number      seq   the last number
--
-- Redis forgets by itself what nobody has swept for an hour, and what is left to give back after a day; when all instances are
-- gone, only the last number stays.

local PREFIX, HOUR, DAY, ENDS = KEYS[1], 3600, 86400, 100000
local call = redis.call

local function key(kind, id)
    return PREFIX .. kind .. (id or '')
end

-- Keeps a set for as long as the longest of what is in it.
local function keep_until(name, moment)
    local left = call('TTL', name)
    if left < moment - tonumber(call('TIME')[1]) then
        call('EXPIREAT', name, moment)
    end
end

local function unmark(id, owner, provider)
    if owner then call('SREM', key('o', owner), id) end
    if provider then call('SREM', key('p', provider), id) end
end

-- Removes a record. A session takes with it what belongs to it, and everybody is told.
local function remove(id, is_session)
    local owner, provider, session = unpack(call('HMGET', key('r', id), 'o', 'p', 's'))
    call('DEL', key('r', id))
    if session then call('SREM', key('a', session), id) end
    if not owner and not is_session then return end
    unmark(id, owner, provider)
    call('ZREM', key('sessions'), id)
    for _, attached in ipairs(call('SMEMBERS', key('a', id))) do
        call('DEL', key('r', attached))
    end
    call('DEL', key('a', id))
    for kind = 1, 2 do
        if call('EXISTS', key('h' .. kind, id)) == 1 then
            call('HSET', key('h' .. kind, id), 'x', '1')
            call('SADD', key('left' .. kind), id)
            call('EXPIRE', key('left' .. kind), DAY)
        end
    end
    call('ZADD', key('ended'), call('INCR', key('seq')), id)
    call('ZREMRANGEBYRANK', key('ended'), 0, -ENDS - 1)
    call('EXPIRE', key('ended'), HOUR)
    call('PUBLISH', key('news'), 'ended')
end

local function write(id, owner, provider, value, moment)
    call('HSET', key('r', id), 'v', value, 'e', moment)
    call('EXPIREAT', key('r', id), moment + HOUR)
    if provider ~= '' then
        call('HSET', key('r', id), 'p', provider)
        call('SADD', key('p', provider), id)
        keep_until(key('p', provider), moment + HOUR)
    end
    if owner ~= '' then
        call('HSET', key('r', id), 'o', owner)
        call('SADD', key('o', owner), id)
        keep_until(key('o', owner), moment + HOUR)
        call('ZADD', key('sessions'), moment, id)
        keep_until(key('sessions'), moment + HOUR)
        keep_until(key('a', id), moment + HOUR)
    end
end

local operations = {}

function operations.insert(id, owner, provider, value, moment)
    if call('EXISTS', key('r', id)) == 1 then return 0 end
    write(id, owner, provider, value, moment)
    return 1
end

-- Never brings back what was removed.
function operations.update(id, owner, provider, value, moment)
    local name = key('r', id)
    if call('EXISTS', name) == 0 then return 0 end
    unmark(id, unpack(call('HMGET', name, 'o', 'p')))
    call('HDEL', name, 'o', 'p')
    call('ZREM', key('sessions'), id)
    write(id, owner, provider, value, moment)
    call('PUBLISH', key('news'), id)
    return 1
end

function operations.attach(session, id, value, moment)
    if call('HEXISTS', key('r', session), 'o') == 0 then return 0 end
    local before = call('HGET', key('r', id), 's')
    if before then call('SREM', key('a', before), id) end
    write(id, '', '', value, moment)
    call('HSET', key('r', id), 's', session)
    call('SADD', key('a', session), id)
    keep_until(key('a', session), moment + HOUR)
    call('PUBLISH', key('news'), id)
    return 1
end

-- Of two who come at once, one is first.
function operations.claim(id, value, moment, now)
    local taken = call('HGET', key('r', id), 'e')
    if taken and tonumber(taken) > tonumber(now) then return 0 end
    call('DEL', key('r', id))
    write(id, '', '', value, moment)
    return 1
end

function operations.extend(id, value, moment)
    local before = call('HGET', key('r', id), 'e')
    if not before or tonumber(before) < tonumber(moment) then write(id, '', '', value, moment) end
    return 1
end

function operations.take(id, now)
    local found = call('HMGET', key('r', id), 'e', 'v', 's')
    if not found[1] or tonumber(found[1]) <= tonumber(now) then return {} end
    remove(id)
    return found
end

function operations.delete(id)
    remove(id)
    return 1
end

function operations.delete_with(id, value)
    if call('HGET', key('r', id), 'v') == value then remove(id) end
    return 1
end

function operations.end_one(id)
    if call('HEXISTS', key('r', id), 'o') == 0 then return 0 end
    remove(id)
    return 1
end

-- With `which` unmarked, only those of which no session at the provider is known.
function operations.end_all(which, ...)
    local count = 0
    for _, id in ipairs({ ... }) do
        local owner, provider = unpack(call('HMGET', key('r', id), 'o', 'p'))
        if owner and (which == '' or not provider) then
            remove(id)
            count = count + 1
        end
    end
    return count
end

function operations.sweep(now, most)
    local ids = call('ZRANGEBYSCORE', key('sessions'), '-inf', now, 'LIMIT', 0, most)
    for _, id in ipairs(ids) do
        remove(id, true)
    end
    return #ids
end

-- The last number, and then number and id of what has ended behind this one. After a loss of data, numbers begin anew.
function operations.ended(behind, most)
    local last = tonumber(call('GET', key('seq')) or 0)
    if tonumber(behind) > last then behind = '0' end
    return { last, call('ZRANGEBYSCORE', key('ended'), '(' .. behind, '+inf', 'WITHSCORES', 'LIMIT', 0, most) }
end

-- Only while the session is there, and only in the place of what `instead_of` names.
function operations.put(session, kind, login, version, value, used, moment, instead_of, now)
    local owner, ends = unpack(call('HMGET', key('r', session), 'o', 'e'))
    if not owner or tonumber(ends) <= tonumber(now) then return 0 end
    local name = key('h' .. kind, session)
    local before = call('HGET', name, 'l')
    if before and before ~= instead_of then return 0 end
    call('HSET', name, 'l', login, 'n', version, 'v', value, 'u', used, 'x', '0')
    call('EXPIREAT', name, moment)
    return 1
end

function operations.change(session, kind, login, version, value, used)
    local name = key('h' .. kind, session)
    local is = call('HMGET', name, 'l', 'n', 'u', 'x')
    if is[1] ~= login or is[2] ~= version or is[4] ~= '0' then return 0 end
    call('HSET', name, 'v', value)
    call('HINCRBY', name, 'n', 1)
    if tonumber(is[3]) < tonumber(used) then call('HSET', name, 'u', used) end
    return 1
end

function operations.touch(session, kind, login, used)
    local name = key('h' .. kind, session)
    local is = call('HMGET', name, 'l', 'u', 'x')
    if is[1] == login and is[3] == '0' and tonumber(is[2]) < tonumber(used) then call('HSET', name, 'u', used) end
    return 1
end

function operations.take_held(session, kind)
    local value = call('HGET', key('h' .. kind, session), 'v')
    call('DEL', key('h' .. kind, session))
    call('SREM', key('left' .. kind), session)
    return value
end

function operations.left(kind, most)
    while true do
        local found, gone = {}, 0
        for _, id in ipairs(call('SRANDMEMBER', key('left' .. kind), most)) do
            if call('EXISTS', key('h' .. kind, id)) == 1 then
                found[#found + 1] = id
            else
                gone = gone + call('SREM', key('left' .. kind), id)
            end
        end
        if #found > 0 or gone == 0 then return found end
    end
end

function operations.count(id, many, now, moment)
    local name = key('c', id)
    local ends = call('HGET', name, 'e')
    if not ends or tonumber(ends) <= tonumber(now) then
        call('HSET', name, 'n', many, 'e', moment)
        call('EXPIREAT', name, moment + HOUR)
        return { tonumber(many), tonumber(moment) }
    end
    return { call('HINCRBY', name, 'n', many), tonumber(ends) }
end

function operations.forgive(id)
    local count = tonumber(call('HGET', key('c', id), 'n') or 0)
    if count > 0 then call('HINCRBY', key('c', id), 'n', -1) end
    return 1
end

return operations[ARGV[1]](unpack(ARGV, 2))
