import type { RecordedExamples } from '../../src/openapi/recorded-examples.ts';
import { type IdPrefix, publicId } from '../../src/platform/ids.ts';

const ID = /\b(act|txn|pool|usr|cmp|whk|dlv|evt|key|ptn|req|preq|rev|rdm|acc|inv|glv)_[0-7][0-9a-hjkmnp-tv-z]{25}\b/g;
const STEADY_CURSOR = 'b3BhcXVlLWN1cnNvcg';
const STEADY_SECRET = 'whsec_58ff9e3c0b54304dcfcd0294c44b72aeb5c35f26298aa1a8574101759ebf665e';
const STEADY_MILLISECONDS = 12;
const STEADY_USE = '2026-11-24T12:59:00.000Z';
/** What is secret is not shown, not even that of a partner which has never been: only how it begins. */
const MASKS: readonly (readonly [pattern: RegExp, mask: string])[] = [
  [/eyJ[\w-]+\.[\w-]+\.[\w-]+/g, 'eyJ…'],
  [/sk_(test|live)_[0-9a-f]{64}/g, 'sk_$1_…'],
  [/pk_(test|live)_[0-9a-f]{64}/g, `pk_$1_${'5e1f'.repeat(16)}`],
  [/"hmacSecret":"[0-9a-f]{64}"/g, '"hmacSecret":"…"'],
  [/"token":"[\w-]{43}"/g, `"token":"${'from-the-link-of-the-mail'.padEnd(43, '-')}"`],
  [/"otp":"\d{6}"/g, '"otp":"123456"'],
  [/"secret":"[A-Z2-7]{16,}"/g, '"secret":"…"'],
  [/([?&]secret=)[A-Z2-7]+/g, '$1…'],
  [/"recoveryCodes":\[[^\]]+\]/g, '"recoveryCodes":["0000-0000-0000-0001","0000-0000-0000-0002"]'],
];

/**
 * The same recording without what differs from run to run: ids are numbered in the order in which they first appear; cursors, secrets,
 * the time that a delivery took and the receiver's port are always the same, and what opens something is masked.
 */
export function steadied(recording: RecordedExamples, receiverUrl: string): RecordedExamples {
  const ids = new Map<string, string>();
  const text = masked(JSON.stringify(recording))
    .replaceAll(receiverUrl, 'https://shop.example.com')
    .replaceAll(/whsec_[0-9a-f]{64}/g, STEADY_SECRET)
    .replaceAll(/"nextCursor":"[^"]+"/g, `"nextCursor":"${STEADY_CURSOR}"`)
    .replaceAll(/"durationMilliseconds":\d+/g, `"durationMilliseconds":${STEADY_MILLISECONDS}`)
    .replaceAll(/\[redacted [0-9a-f]{8}\]/g, '[redacted 5e1f0a37]')
    .replaceAll(/"hash":"[0-9a-f]{64}"/g, `"hash":"${'3d9f'.repeat(16)}"`)
    .replaceAll(/"lastUsedAt":"[^"]+"/g, `"lastUsedAt":"${STEADY_USE}"`)
    .replaceAll(ID, (id, prefix: IdPrefix) => {
      const known = ids.get(id) ?? publicId(prefix, numbered(ids.size + 1));
      ids.set(id, known);
      return known;
    });
  return JSON.parse(text) as RecordedExamples;
}

/** A UUIDv7 of the recording's day, with a number at its end. */
function numbered(number: number): string {
  return `019ab5e8-4c00-7a3d-9f10-${(0x5e1f00000000 + number * 0x9e3779b).toString(16).slice(-12)}`;
}

function masked(text: string): string {
  return MASKS.reduce((result, [pattern, mask]) => result.replaceAll(pattern, mask), text);
}
