import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/platform/clock.ts';
import { publicId } from '../../src/platform/ids.ts';
import { createTestDatabase, type TestDatabase } from '../test-database.ts';
import { type Receiver, startReceiver } from '../webhook-receiver.ts';
import { expectCleanBooks } from './compare-books.ts';
import { minutes, tell, throwDice, times } from './scale.ts';
import { newMasterKey, newScenePartner, purchases, type ScenePartner } from './scene.ts';
import { ServerUnderTest, serverVariables } from './server-under-test.ts';
import { SignedClient } from './signed-client.ts';

const LEASE_SECONDS = 2;
/** A sweep each second finds whose lease has ended, and then they are sent one after the other. */
const SLACK_SECONDS = 3;
const PATIENCE_SECONDS = 30;
const ACTIONS_PER_ROUND = 12;
const FAILPOINTS = ['webhook_before_send', 'webhook_after_send', 'webhook_reschedule'] as const;
const dice = throwDice('worker faults');
const masterKey = newMasterKey();

let database: TestDatabase;
let partner: ScenePartner;
let variables: Record<string, string>;
let api: ServerUnderTest;
let client: SignedClient;
let receiver: Receiver;
/** What happened up to this position was before the webhook, which does not hear of it. */
let positionBefore: number;
/** While it is set, an event that comes for the first time is answered 500. */
let refuseFirst = false;

beforeAll(async () => {
  database = await createTestDatabase();
  partner = await newScenePartner(database.sql, masterKey, 1_000_000);
  const seen = new Set<string>();
  receiver = await startReceiver((response, { event }) => {
    response.writeHead(refuseFirst && !seen.has(event.id) ? 500 : 204).end();
    seen.add(event.id);
  });
  variables = { ...serverVariables(database.url, masterKey), SIR_ALLOW_INSECURE_WEBHOOKS: '1' };
  api = new ServerUnderTest(variables);
  client = new SignedClient(await api.ready(), partner.keys);
  const webhook = { url: `${receiver.url}/hook`, receiveAllEvents: true };
  expect((await client.send('POST', '/v1/partner/webhooks', webhook)).status).toBe(201);
  const [cursor] = await database.sql<{ position: number }[]>`
    select position from fan_out_cursors where partner_id = ${partner.partnerId}`;
  positionBefore = cursor?.position ?? Number.NaN;
});
afterAll(async () => {
  await client?.close();
  await api?.kill();
  await receiver?.close();
  await database?.drop();
});

function startWorker(failpoint = ''): ServerUnderTest {
  const more = { SIR_ROLES: 'worker', SIR_WEBHOOK_LEASE_SECONDS: String(LEASE_SECONDS), SIR_FAILPOINT: failpoint };
  return new ServerUnderTest({ ...variables, ...more });
}

const submitSome = (next: ReturnType<typeof purchases>) =>
  Promise.all(Array.from({ length: ACTIONS_PER_ROUND }, () => client.submit(next())));

async function countDeliveries(): Promise<{ all: number; leased: number; open: number }> {
  const [row] = await database.sql<{ all: number; leased: number; open: number }[]>`
    select count(*) as all, count(*) filter (where status = 'PENDING' and leased_until is not null) as leased,
      count(*) filter (where status <> 'SUCCEEDED') + (select c.position - f.position
        from event_counters c join fan_out_cursors f using (partner_id, environment) where c.partner_id = ${partner.partnerId}) as open
    from webhook_deliveries where partner_id = ${partner.partnerId}`;
  return row ?? { all: 0, leased: 0, open: 0 };
}

/** A worker that lives; answers how long after its lease (or after the start, if that is later) the last delivery was taken up again. */
async function deliverTheRest(): Promise<{ events: number; requests: number; latestSeconds: number }> {
  const killedAt = systemClock.now();
  const held = await database.sql<{ id: string; leasedUntil: Date }[]>`
    select id, leased_until as "leasedUntil" from webhook_deliveries
    where partner_id = ${partner.partnerId} and status = 'PENDING' and leased_until is not null`;
  const worker = startWorker();
  await worker.ready();
  const readyAt = systemClock.now();
  for (let waited = 0; (await countDeliveries()).open > 0; waited++) {
    expect(waited).toBeLessThan(PATIENCE_SECONDS * 10);
    await sleep(100);
  }
  worker.signal('SIGTERM');
  expect(await worker.exited).toBe(0);
  const resumed = await database.sql<{ id: string; at: Date }[]>`
    select delivery_id as id, min(started_at) as at from webhook_attempts
    where partner_id = ${partner.partnerId} and delivery_id = any(${held.map(({ id }) => id)}::uuid[]) and started_at > ${killedAt}
    group by delivery_id`;
  const resumedAt = new Map(resumed.map(({ id, at }) => [id, at.getTime()]));
  const late = held.map(
    ({ id, leasedUntil }) => (resumedAt.get(id) ?? Number.NaN) - Math.max(leasedUntil.getTime(), readyAt.getTime()),
  );
  return { ...(await expectAllReceived()), latestSeconds: Math.max(...late) / 1_000 };
}

/** Every event was received at least once, always with the same number; the numbers have no gap. */
async function expectAllReceived(): Promise<{ events: number; requests: number }> {
  const sequences = new Map<string, Set<number | undefined>>();
  for (const { event } of receiver.received) {
    sequences.set(event.id, (sequences.get(event.id) ?? new Set()).add(event.sequence));
  }
  const events = await database.sql<{ id: string }[]>`
    select id from events where partner_id = ${partner.partnerId} and position > ${positionBefore}`;
  expect([...sequences.keys()].sort()).toEqual(events.map(({ id }) => publicId('evt', id)).sort());
  const numbers = [...sequences.values()].flatMap((ofOneEvent) => [...ofOneEvent]);
  expect(new Set(numbers)).toEqual(new Set(events.map((_, index) => index + 1)));
  expect(numbers.length).toBe(events.length);
  return { events: events.length, requests: receiver.received.length };
}

describe('a worker that is killed leaves every event to be delivered, under the same id and number', () => {
  test.for(FAILPOINTS)('at the failpoint %s', minutes(1, 15), async (failpoint) => {
    refuseFirst = failpoint === 'webhook_reschedule';
    const next = purchases(failpoint);
    for (let round = 1; round <= times(3, 50); round++) {
      const worker = startWorker(`${failpoint}:${dice.integer(1, refuseFirst ? 2 : 8)}`);
      await submitSome(next);
      expect(await worker.exited).toBe('SIGKILL');
      const { all, leased } = await countDeliveries();
      tell(`${failpoint} ${round}: killed with ${leased} of ${all} deliveries in its hands`);
      expect(leased).toBeGreaterThan(0);
    }
    refuseFirst = false;
    const { events, requests, latestSeconds } = await deliverTheRest();
    tell(
      `${failpoint}: ${requests} requests for ${events} events; what the killed ones held was sent again at most ` +
        `${latestSeconds.toFixed(1)} s after its lease`,
    );
    expect(latestSeconds).toBeLessThan(SLACK_SECONDS);
    await expectCleanBooks(database.sql);
  });
});
