import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { type FieldError, problem } from '../platform/problem-json.ts';

type Range = [address: ipaddr.IPv4 | ipaddr.IPv6, prefixBits: number];

/** The address ranges that a key may be used from, ready to be asked. */
export type AllowList = readonly Range[];

const MAX_RANGES = 100;
const MAPPED_PREFIX_BITS = 96;
/** `::192.0.2.1` has not been in use since RFC 4291, and ipaddr.js takes it for `::ffff:192.0.2.1`, which is another address. */
const IPV4_COMPATIBLE = /^::\d+\./;

/** Brings addresses and CIDR ranges into the form in which they are stored: `192.0.2.0/24`. INVALID_REQUEST names every bad one. */
export function canonicalAllowList(texts: readonly string[]): string[] {
  const errors: FieldError[] = [];
  if (texts.length > MAX_RANGES) errors.push({ path: '/allowedIps', message: `at most ${MAX_RANGES} ranges` });
  const ranges = texts.map((text, index) => {
    const range = parseRange(text);
    if (range === undefined) {
      errors.push({ path: `/allowedIps/${index}`, message: 'an address or a range such as 192.0.2.0/24' });
      return '';
    }
    return canonical(range);
  });
  if (errors.length > 0) throw problem('INVALID_REQUEST', 'The list of addresses is not valid.', { errors });
  return [...new Set(ranges)];
}

/**
 * Reads a stored list. Undefined: there is none, any address is fine. An entry that cannot be read admits nobody, so that a list never
 * turns into none.
 */
export function readAllowList(stored: readonly string[]): AllowList | undefined {
  if (stored.length === 0) return undefined;
  return stored.map(parseRange).filter((range) => range !== undefined);
}

/** Whether an address lies in one of the ranges. An IPv4 address written as IPv6 counts as what it is. */
export function isAllowed(list: AllowList, ip: string): boolean {
  if (isIP(ip) === 0 || IPV4_COMPATIBLE.test(ip)) return false;
  const address = ipaddr.process(ip);
  return list.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits));
}

function parseRange(text: string): Range | undefined {
  const [addressText = '', bitsText, ...rest] = text.trim().split('/');
  // ipaddr.js also takes 127.1 and 0x7f000001, which people do not mean.
  const family = isIP(addressText);
  if (family === 0 || rest.length > 0) return undefined;
  if (addressText.includes('%') || IPV4_COMPATIBLE.test(addressText)) return undefined;
  if (bitsText !== undefined && !/^(0|[1-9][0-9]{0,2})$/.test(bitsText)) return undefined;
  const width = family === 4 ? 32 : 128;
  const bits = bitsText === undefined ? width : Number(bitsText);
  if (bits > width) return undefined;
  const address = ipaddr.parse(addressText);
  if (address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() && bits >= MAPPED_PREFIX_BITS) {
    return [address.toIPv4Address(), bits - MAPPED_PREFIX_BITS];
  }
  return [address, bits];
}

function canonical([address, bits]: Range): string {
  const text = `${address.toString()}/${bits}`;
  const network =
    address.kind() === 'ipv4' ? ipaddr.IPv4.networkAddressFromCIDR(text) : ipaddr.IPv6.networkAddressFromCIDR(text);
  return `${network.toString()}/${bits}`;
}
