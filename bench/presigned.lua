-- Sends requests that were signed beforehand, each one once, and looks at the status of every answer.
-- Arguments: the file of requests, each as its length in bytes, a line break, and the bytes; then "timing" to read Server-Timing too.
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  file = assert(io.open(args[1], 'rb'))
  withTiming = args[2] == 'timing'
  last = ''
  firstFailure = ''
  failures = 0
  exhausted = false
  waited = 0
end

function request()
  local length = file:read('*l')
  if length == nil then
    exhausted = true
  else
    last = file:read(tonumber(length))
  end
  return last
end

function response(status, headers, body)
  if status ~= 200 then
    failures = failures + 1
    if firstFailure == '' then firstFailure = status .. ' ' .. body end
  elseif withTiming then
    waited = waited + tonumber(string.match(headers['server-timing'] or '', 'dur=([%d.]+)') or 0)
  end
end

function done(summary, latency)
  local failures, waited, exhausted, firstFailure = 0, 0, false, ''
  for _, thread in ipairs(threads) do
    failures = failures + thread:get('failures')
    waited = waited + thread:get('waited')
    exhausted = exhausted or thread:get('exhausted')
    if firstFailure == '' then firstFailure = thread:get('firstFailure') end
  end
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"answers":%d,"microseconds":%d,"failures":%d,"socketErrors":%d,"exhausted":%s,"p50":%d,"p99":%d,"waited":%f}\n',
    summary.requests, summary.duration, failures, errors.connect + errors.read + errors.write + errors.timeout, tostring(exhausted),
    latency:percentile(50), latency:percentile(99), waited))
  if firstFailure ~= '' then io.write('FAILURE ' .. string.gsub(firstFailure, '[\r\n]', ' ') .. '\n') end
end
