import { createHash, createHmac } from 'node:crypto';
import type { ErrorCode } from '@sirgiving/contract';
import type { InjectOptions } from 'fastify';
import { systemClock } from '../../src/platform/clock.ts';
import type { TestApp, TestPartner } from '../app.ts';
import type { Attempt, BadRequest } from './refusals.ts';

/** What was signed, where it is not what is sent. */
interface Signing {
  hmacSecret?: string;
  method?: string;
  path?: string;
  body?: string;
  timestamp?: string;
}

interface Change {
  signing?: Signing;
  /** Over the headers of the request as it is sent; undefined takes one away. */
  headers?: Record<string, string | undefined>;
  sentPath?: string;
  sentBody?: string;
}

/** Requests that are good but for their signature. `other` is another key pair of the same partner, `stranger` another partner's. */
export function requestsWithBadSignatures(
  t: TestApp,
  attempt: Attempt,
  { other, stranger }: { other: TestPartner; stranger: TestPartner },
): BadRequest[] {
  const bad = (name: string, code: ErrorCode, change: Change): BadRequest => ({
    name,
    code,
    send: () => t.request(tampered(attempt, change)),
  });
  const { path, method, body } = attempt.good;
  const { hmacSecret, secretKey } = attempt.partner.keys;
  const wrong = (name: string, change: Change) => bad(name, 'INVALID_SIGNATURE', change);
  const signed = (name: string, signing: Signing) => wrong(`signed ${name}`, { signing });
  return [
    wrong('signed with its query in another order', {
      signing: { path: `${path}?a=1&b=2` },
      sentPath: `${path}?b=2&a=1`,
    }),
    wrong('signed without its query', { sentPath: `${path}?a=1` }),
    wrong('signed with its query written differently', { signing: { path: `${path}?a=%20` }, sentPath: `${path}?a=+` }),
    signed('for another path', { path: '/v1/partner/other' }),
    signed('for the path in another case', { path: path.toUpperCase() }),
    signed('for the path with a slash behind it', { path: `${path}/` }),
    signed('for another method', { method: method === 'GET' ? 'POST' : 'GET' }),
    signed('for the method in lower case', { method: method.toLowerCase() }),
    signed('for another body', { body: '{"other":1}' }),
    ...(body === undefined ? [] : [wrong('sent with a space more', { sentBody: `${JSON.stringify(body)} ` })]),
    signed('with the other key pair of the partner', { hmacSecret: other.keys.hmacSecret }),
    signed('with the key of another partner', { hmacSecret: stranger.keys.hmacSecret }),
    wrong('sent as another partner', { headers: { 'x-partner-key': stranger.keys.secretKey } }),
    signed('with the secret key', { hmacSecret: secretKey }),
    signed('with the bytes of the secret', { hmacSecret: Buffer.from(hmacSecret, 'hex').toString('latin1') }),
    signed('with nothing', { hmacSecret: '' }),
    ...badTimestamps(bad),
    ...badSignatureTexts(attempt).map(([name, signature]) => wrong(name, { headers: { 'x-signature': signature } })),
    ...['x-partner-key', 'x-timestamp', 'x-signature'].map((header) =>
      bad(`without ${header}`, 'AUTHENTICATION_REQUIRED', { headers: { [header]: undefined } }),
    ),
  ];
}

const SECONDS_TOO_MANY = 301;

function badTimestamps(bad: (name: string, code: ErrorCode, change: Change) => BadRequest): BadRequest[] {
  const now = Math.floor(systemClock.now().getTime() / 1_000);
  const at = (timestamp: string, code: ErrorCode) => bad(`at ${timestamp}`, code, { signing: { timestamp } });
  return [
    // A second on top, since time goes on until it is judged.
    at(String(now - SECONDS_TOO_MANY), 'TIMESTAMP_OUT_OF_RANGE'),
    at(String(now + SECONDS_TOO_MANY + 60), 'TIMESTAMP_OUT_OF_RANGE'),
    at(`${now}000`, 'TIMESTAMP_OUT_OF_RANGE'),
    at('0', 'TIMESTAMP_OUT_OF_RANGE'),
    ...[`+${now}`, `-${now}`, `${now}.0`, `${now}e0`, '0x10', `${now} ${now}`, 'now', new Date(0).toISOString()].map(
      (text) => at(text, 'INVALID_SIGNATURE'),
    ),
    bad('with a newer timestamp than was signed', 'INVALID_SIGNATURE', { headers: { 'x-timestamp': String(now + 2) } }),
  ];
}

function badSignatureTexts(attempt: Attempt): [name: string, signature: string][] {
  const right = String(tampered(attempt, {}).headers?.['x-signature']);
  const otherDigit = right.startsWith('0') ? '1' : '0';
  return [
    ['with its signature in capitals', right.toUpperCase().replaceAll(/\d/g, 'A')],
    ['with its signature cut short', right.slice(0, -1)],
    ['with half of its signature', right.slice(0, 32)],
    ['with a longer signature', `${right}0`],
    ['with one digit of the signature wrong', otherDigit + right.slice(1)],
    ['with a signature that is no hex', `${right.slice(0, -1)}g`],
    ['with a signature of other digits', '٠'.repeat(64)],
    ['with a signature in base64', Buffer.from(right, 'hex').toString('base64')],
    ['with a prefix to its signature', `sha256=${right}`],
    ['with two signatures', `${right}, ${right}`],
    ['with no signature', ''],
  ];
}

/** A signed request that is changed: before it is signed, after it, or both. */
function tampered({ good, partner }: Attempt, { signing, headers, sentPath, sentBody }: Change): InjectOptions {
  const now = Math.floor(systemClock.now().getTime() / 1_000);
  const payload = sentBody ?? (good.body === undefined ? undefined : JSON.stringify(good.body));
  const timestamp = signing?.timestamp ?? String(now);
  const signature = sign({
    hmacSecret: partner.keys.hmacSecret,
    method: good.method,
    path: good.path,
    body: good.body === undefined ? '' : JSON.stringify(good.body),
    timestamp,
    ...signing,
  });
  const all = {
    ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
    'x-partner-key': partner.keys.secretKey,
    'x-timestamp': timestamp,
    'x-signature': signature,
    ...headers,
  };
  return {
    method: good.method as 'GET',
    url: sentPath ?? good.path,
    headers: Object.fromEntries(
      Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
    ),
    ...(payload === undefined ? {} : { payload }),
  };
}

/** The signature as contract §3 has it, of whatever is given: our own signer would refuse most of this. */
function sign({ hmacSecret, timestamp, method, path, body }: Required<Signing>): string {
  const bodyHash = createHash('sha256').update(body).digest('hex');
  return createHmac('sha256', hmacSecret).update(`${timestamp}${method}${path}${bodyHash}`).digest('hex');
}
