import { TypeID } from 'typeid-js';
import { v7 } from 'uuid';

/** Makes row ids: UUIDv7, so that new rows go to the right edge of an index. */
export interface Ids {
  uuid(): string;
}

export const randomIds: Ids = { uuid: () => v7() };

export type IdPrefix =
  | 'act'
  | 'txn'
  | 'pool'
  | 'usr'
  | 'cmp'
  | 'whk'
  | 'dlv'
  | 'evt'
  | 'key'
  | 'ptn'
  | 'req'
  | 'preq'
  | 'rev'
  | 'rdm'
  | 'acc'
  | 'ses'
  | 'inv'
  | 'glv';

const BASE32 = '0123456789abcdefghjkmnpqrstvwxyz';
const HEX_VALUE = new Int8Array(128).fill(-1);
for (let digit = 0; digit < 16; digit++) HEX_VALUE['0123456789abcdef'.charCodeAt(digit)] = digit;

/**
 * The public form of a row id, a TypeID (https://github.com/jetify-com/typeid): `act_01h455vb4pex5vsknk084sn02q`.
 * Written out here, since an answer to one action holds several and the library's encoder takes 2 µs for each.
 */
export function publicId(prefix: IdPrefix, uuid: string): string {
  let suffix = '';
  let bits = 0;
  // 128 bits are written as 26 digits of 5 bits: two zero bits stand in front.
  let count = 2;
  for (let index = 0; index < uuid.length; index++) {
    const value = HEX_VALUE[uuid.charCodeAt(index)] as number;
    if (value < 0) continue;
    bits = (bits << 4) | value;
    count += 4;
    if (count >= 5) {
      count -= 5;
      suffix += BASE32[bits >> count];
      bits &= (1 << count) - 1;
    }
  }
  return `${prefix}_${suffix}`;
}

/** The row id in a public id, or undefined where it is not a well-formed id of that kind. */
export function rowId(prefix: IdPrefix, publicIdText: string): string | undefined {
  try {
    const id = TypeID.fromString(publicIdText, prefix);
    return id.toUUID();
  } catch {
    return undefined;
  }
}
