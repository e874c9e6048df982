import { randomBytes } from 'node:crypto';
import type { InjectOptions } from 'fastify';
import { setKeyAllowList, setKeyExpiry } from '../../src/partners/change-key.ts';
import { createKey, revokeKey } from '../../src/partners/index.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { randomIds } from '../../src/platform/ids.ts';
import { type Answer, publicPoolId, signedRequest, startTestApp, type TestApp, type TestPartner } from '../app.ts';
import type { Credentials, GeneratedCall, SignatureChange } from './generated-call.ts';
import type { Seen } from './generated-target.ts';

/** A call as it goes out. */
export type SentCall = InjectOptions & { method: string; url: string };

/** The server under test, with partners in every state that a request can be refused for. */
export class FuzzTarget {
  private readonly known = new KnownIds();
  private lastWrite: SentCall | undefined;

  private constructor(
    readonly app: TestApp,
    private readonly callers: Record<Exclude<Credentials, 'none' | 'publishable'>, TestPartner>,
  ) {}

  static async start(): Promise<FuzzTarget> {
    const app = await startTestApp({ config: { rateLimitPerMinute: 0 }, poolTokens: 1_000_000_000 });
    const target = new FuzzTarget(app, await makeCallers(app));
    await target.seed();
    return target;
  }

  close(): Promise<void> {
    return this.app.close();
  }

  /** The request of a call: the last write again where the call says so. */
  requestFor(call: GeneratedCall): SentCall {
    if (!call.repeatsLastWrite || this.lastWrite === undefined) return this.requestOf(call);
    return { ...this.lastWrite, headers: { ...this.lastWrite.headers, ...call.headers } };
  }

  /** Sends the request of a call; what its answer tells of is known to later ones. Rejects when it is not as its endpoint declares. */
  async send(call: GeneratedCall, request: SentCall): Promise<Answer> {
    const answer = await this.app.request(request);
    this.known.learn(this.callerOf(call.credentials), answer.text);
    const isKeyedWrite = call.operation.takesIdempotencyKey && answer.status < 300 && !call.repeatsLastWrite;
    if (isKeyedWrite) this.lastWrite = request;
    return answer;
  }

  /** Calls also change the pool: one that rewards hardly anything any more would leave all that follows refused alike. */
  async liftRestrictions(): Promise<void> {
    const path = `/v1/partner/token-pools/${publicPoolId(this.app.partner)}`;
    const body = { restrictions: {}, rates: { USD: 1, EUR: 1.1 }, isDefault: true };
    const { status, text } = await this.app.signed('PATCH', path, body);
    if (status !== 200) throw new Error(`the pool stays as it is: ${text}`);
  }

  /** With ids that are known by now. */
  private requestOf(call: GeneratedCall): SentCall {
    const partner = this.callerOf(call.credentials);
    const text = (part: string | Seen) => (typeof part === 'string' ? part : this.known.pick(partner, part));
    const query = call.query.map(([name, value]) => `${name}=${text(value)}`).join('&');
    const raw = `${call.path.map(text).join('/')}${query === '' ? '' : `?${query}`}${call.targetSuffix}`;
    const path = asInjected(raw);
    const options = { partner, key: keyOf(call.credentials) } as const;
    const { method, body } = call;
    const signed = signedRequest(
      { clock: systemClock, partner: this.app.partner, method, path, body },
      { ...options, ...staleness(call.signatureChange) },
    );
    const { 'content-type': _, ...headers } = signed.headers as Record<string, string>;
    const type = body === undefined ? undefined : call.contentType;
    return {
      ...signed,
      method: method as 'GET',
      url: path,
      headers: {
        ...(call.credentials === 'none' ? {} : changedSignature(headers, call.signatureChange)),
        ...(type === undefined ? {} : { 'content-type': type }),
        ...call.headers,
      },
    };
  }

  private callerOf(credentials: Credentials): TestPartner {
    return credentials === 'none' || credentials === 'publishable' ? this.app.partner : this.callers[credentials];
  }

  /** Something of every kind, so that the first calls already meet it. */
  private async seed(): Promise<void> {
    const { app, callers } = this;
    const post = async (path: string, body?: unknown, partner = app.partner) => {
      const { status, text } = await app.signed('POST', `/v1/partner/${path}`, body, { partner });
      if (status >= 300) throw new Error(`${path} answered ${status}: ${text}`);
      this.known.learn(partner, text);
    };
    const stakeholders = [{ stakeholderTypeCode: 'CUSTOMER', partnerUserId: 'user_0' }];
    const action = { actionType: 'PURCHASE', amount: 20, currency: 'USD', stakeholders };
    for (const idempotencyKey of ['seed_0', 'seed_1', 'seed_2'])
      await post('actions/submit', { ...action, idempotencyKey });
    await post('actions/submit', { ...action, idempotencyKey: 'seed' }, callers.otherPartner);
    await post('webhooks', { url: 'http://127.0.0.1:9/', receiveAllEvents: true });
    const webhooks = await app.signed('GET', '/v1/partner/webhooks');
    const [webhook] = webhooks.body.data as { id: string }[];
    await post(`webhooks/${webhook?.id}/test`);
    // What is logged of a request is written a second later.
    await app.requestLog.flush();
    for (const path of ['token-pools', 'transactions?limit=1', 'actions?limit=1', 'requests?limit=5']) {
      this.known.learn(app.partner, (await app.signed('GET', `/v1/partner/${path}`)).text);
    }
  }
}

/** What `inject` makes of a request target: it reads it as a URL, which takes dots and fragments away. */
function asInjected(target: string): string {
  const { pathname, search } = new URL(
    target.startsWith('//') ? `http://localhost${target}` : target,
    'http://localhost',
  );
  return `${pathname}${search}`;
}

function keyOf(credentials: Credentials): 'secret' | 'publishable' {
  return credentials === 'publishable' ? 'publishable' : 'secret';
}

const STALE_SECONDS = 301;

function staleness(change: SignatureChange): { timestamp?: number } {
  const now = Math.floor(systemClock.now().getTime() / 1_000);
  if (change === 'stale') return { timestamp: now - STALE_SECONDS };
  return change === 'future' ? { timestamp: now + STALE_SECONDS * 1_000 } : {};
}

function changedSignature(headers: Record<string, string>, change: SignatureChange): Record<string, string> {
  const signature = headers['x-signature'] ?? '';
  switch (change) {
    case 'truncated':
      return { ...headers, 'x-signature': signature.slice(0, -1) };
    case 'upperCase':
      return { ...headers, 'x-signature': signature.toUpperCase() };
    case 'otherBytes':
      return { ...headers, 'x-signature': randomBytes(32).toString('hex') };
    case 'junk':
      return { ...headers, 'x-signature': 'sha256=\u00ff', 'x-timestamp': '-1e9', 'x-partner-key': 'sk_test_' };
    case 'missing': {
      const { 'x-timestamp': _, ...rest } = headers;
      return rest;
    }
    default:
      return headers;
  }
}

async function makeCallers(app: TestApp) {
  const { sql, secretBox, partner } = app;
  const { partnerId, environment } = partner;
  const now = systemClock.now();
  const newKey = async (): Promise<TestPartner> => {
    const wanted = { partnerId, environment, name: 'Fuzz', createdAt: now };
    return { ...partner, keys: await sql.begin((tx) => createKey(tx, randomIds, secretBox, wanted)) };
  };
  const [revoked, expired, otherAddress] = [await newKey(), await newKey(), await newKey()];
  const suspended = await app.newPartner({ poolTokens: 0, status: 'SUSPENDED' });
  await sql.begin(async (tx) => {
    await revokeKey(tx, { partnerId, keyId: revoked.keys.id }, now);
    await setKeyExpiry(tx, { partnerId, keyId: expired.keys.id }, now);
    await setKeyAllowList(tx, { partnerId, keyId: otherAddress.keys.id }, ['203.0.113.0/24']);
  });
  const madeUp = { ...partner.keys, secretKey: `sk_test_${randomBytes(32).toString('hex')}` };
  return {
    secret: partner,
    otherPartner: await app.newPartner({ poolTokens: 10_000_000 }),
    withoutPool: await app.newPartner({ poolTokens: 0 }),
    poorPool: await app.newPartner({ poolTokens: 3 }),
    suspended,
    production: await app.newPartner({ environment: 'production' }),
    revoked,
    expired,
    otherAddress,
    unknown: { ...partner, keys: madeUp },
  };
}

const KEPT_IDS = 200;
const ANY_ID = /\b(act|txn|pool|usr|whk|dlv|rdm|evt|req)_[0-9a-z]{26}\b/g;
const ANY_CURSOR = /"nextCursor":"([^"]+)"/g;
const ANOTHER_PARTNERS = 8;

/** Ids and cursors that answers have told, by the partner that was told, the first and the newest of each kind. */
class KnownIds {
  private readonly byPartner = new Map<string, Map<string, string[]>>();

  learn({ partnerId }: TestPartner, text: string): void {
    for (const [id, kind = ''] of text.matchAll(ANY_ID)) this.keep(partnerId, kind, id);
    for (const [, cursor = ''] of text.matchAll(ANY_CURSOR)) this.keep(partnerId, 'cursor', cursor);
  }

  /** Mostly one of the partner's own; every eighth is one of some other partner. */
  pick({ partnerId }: TestPartner, { seen, index }: Seen): string {
    const partners = [...this.byPartner.keys()];
    const from = index % ANOTHER_PARTNERS === 0 ? partners[(index / ANOTHER_PARTNERS) % partners.length] : partnerId;
    const ids = this.byPartner.get(from ?? partnerId)?.get(seen) ?? [];
    return ids[index % Math.max(ids.length, 1)] ?? `${seen}_01h455vb4pex5vsknk084sn02q`;
  }

  private keep(partnerId: string, kind: string, id: string): void {
    const kinds = this.byPartner.get(partnerId) ?? new Map<string, string[]>();
    this.byPartner.set(partnerId, kinds);
    const ids = kinds.get(kind) ?? [];
    kinds.set(kind, ids);
    if (ids.includes(id)) return;
    ids.push(id);
    if (ids.length > KEPT_IDS) ids.splice(KEPT_IDS / 2, 1);
  }
}
