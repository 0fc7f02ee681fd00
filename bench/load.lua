-- The peer's load in DriveFlow's API: the same schools, services, days, people, times and points in the same order.
-- wrk -t1 -cN -dSs --latency --timeout 20s -s load.lua URL -- IDS KIND BASE
-- IDS: the file that ids.py writes.  KIND: slots book week gps.  BASE: seeds the random numbers, and is the year of
-- what is written less 2030.
local ids, kind, base, n
local headers, time_of_day, write_headers = {}, {}, {}

function init(args)
  ids = dofile(args[1]); kind = args[2]; base = tonumber(args[3])
  n = 0; math.randomseed(base * 7919 + 13)
  for o = 0, 99 do
    headers[o] = { authorization = 'Bearer ' .. ids.key[o] }
    write_headers[o] = { authorization = 'Bearer ' .. ids.key[o], ['content-type'] = 'application/json' }
  end
  if kind == 'gps' then
    for i = 0, 43199 do
      local s = i * 2
      time_of_day[i] = string.format('%02d:%02d:%02d.000Z', math.floor(s / 3600), math.floor(s / 60) % 60, s % 60)
    end
  end
end

local function utc_day(k) -- the k-th day after 2026-03-02
  if k < 30 then return string.format('2026-03-%02dT00:00:00Z', k + 2) end
  return string.format('2026-04-%02dT00:00:00Z', k - 29)
end

local function slots()
  local o = math.random(0, 99)
  local service = ids.service[o * 4 + math.random(0, 3)]
  local day = o % 5 * 60 + math.random(0, 49) -- local days begin at another instant in each zone
  return wrk.format('GET', '/api/v1/orgs/' .. ids.org[o] .. '/slots?service_id=' .. service
    .. '&from=' .. ids.midnight[day] .. '&to=' .. ids.midnight[day + 7], headers[o])
end

local function week()
  local o = math.random(0, 99)
  local day = math.random(0, 49)
  return wrk.format('GET', '/api/v1/orgs/' .. ids.org[o] .. '/bookings?from=' .. utc_day(day)
    .. '&to=' .. utc_day(day + 7) .. '&limit=1000', headers[o])
end

local function book() -- every instructor in turn, then the next 2-h slot
  local k = n - 1
  local i = k % 1000
  local o = math.floor(i / 10)
  local slot = math.floor(k / 1000)
  local day = math.floor(slot / 12)
  local body = string.format(
    '{"student_id":"%s","instructor_id":"%s","service_id":"%s","start_at":"%d-%02d-%02dT%02d:00:00Z"}',
    ids.student[o * 300 + (slot * 10 + i % 10) % 300], ids.instructor[i], ids.service[o * 4 + 1],
    2030 + base, 1 + math.floor(day / 28) % 12, 1 + day % 28, slot % 12 * 2)
  return wrk.format('POST', '/api/v1/orgs/' .. ids.org[o] .. '/bookings', write_headers[o], body)
end

local function gps() -- 200 seconds of a drive; each batch has its own time
  local first = ((n - 1) % 432) * 100
  local day = math.floor((n - 1) / 432)
  local point = string.format('{"ts":"%d-01-%02dT', 2030 + base, 1 + day % 31)
  local points = {}
  for i = 0, 99 do
    points[i + 1] = point .. time_of_day[first + i] .. '","lat":-33.8' .. (10000 + i * 7) .. ',"lng":151.2'
      .. (10000 + i * 11) .. ',"speed_kph":' .. (30 + i % 30) .. '.5}'
  end
  local trip = (n * 37 + base) % 1000
  local o = tonumber(ids.trip_org[trip])
  return wrk.format('POST', '/api/v1/orgs/' .. ids.org[o] .. '/trips/' .. ids.trip[trip] .. '/points',
    write_headers[o], '[' .. table.concat(points, ',') .. ']')
end

local jobs = { slots = slots, week = week, book = book, gps = gps }
function request()
  n = n + 1
  return jobs[kind]()
end
