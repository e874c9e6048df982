import type { RecordedExamples } from '../../src/openapi/recorded-examples.ts';
import { type IdPrefix, publicId } from '../../src/platform/ids.ts';

const ID = /\b(act|txn|pool|usr|cmp|whk|dlv|evt|key|ptn|req|rev|rdm)_[0-7][0-9a-hjkmnp-tv-z]{25}\b/g;
const STEADY_CURSOR = 'b3BhcXVlLWN1cnNvcg';
const STEADY_SECRET = 'whsec_58ff9e3c0b54304dcfcd0294c44b72aeb5c35f26298aa1a8574101759ebf665e';
const STEADY_MILLISECONDS = 12;

/**
 * The same recording without what differs from run to run: ids are numbered in the order in which they first appear; cursors, secrets,
 * the time that a delivery took and the receiver's port are always the same.
 */
export function steadied(recording: RecordedExamples, receiverUrl: string): RecordedExamples {
  const ids = new Map<string, string>();
  const text = JSON.stringify(recording)
    .replaceAll(receiverUrl, 'https://shop.example.com')
    .replaceAll(/whsec_[0-9a-f]{64}/g, STEADY_SECRET)
    .replaceAll(/"nextCursor":"[^"]+"/g, `"nextCursor":"${STEADY_CURSOR}"`)
    .replaceAll(/"durationMilliseconds":\d+/g, `"durationMilliseconds":${STEADY_MILLISECONDS}`)
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
