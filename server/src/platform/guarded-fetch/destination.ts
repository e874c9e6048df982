import { isIP } from 'node:net';
import { isLoopbackAddress, isPublicAddress } from './public-address.ts';
import { meansNoSuchName, type ResolveHost, resolveHost } from './resolve-host.ts';

/** Why an address that a partner chose is not contacted. */
export type DestinationRefusal =
  | 'invalid_url'
  | 'scheme'
  | 'port'
  | 'user_info'
  | 'fragment'
  | 'address_literal'
  | 'local_name'
  | 'address_not_public'
  | 'name_not_found'
  | 'name_unresolved';

/**
 * A destination outside the rules. The message is meant for the partner: it never tells an address that a name resolved
 * to, since that could be read out of a private zone. `name_unresolved` alone may be different a minute later.
 */
export class DestinationRefused extends Error {
  readonly reason: DestinationRefusal;

  constructor(reason: DestinationRefusal, message: string) {
    super(message);
    this.name = 'DestinationRefused';
    this.reason = reason;
  }
}

/** The part of the world that destinations are judged by. Replaced in tests only. */
export interface Network {
  readonly ports: ReadonlySet<string>;
  readonly isPublicAddress: (address: string) => boolean;
  readonly resolveHost: ResolveHost;
}

/** The Internet, with the ports of contract §7. */
export const internet: Network = { ports: new Set(['443', '8443']), isPublicAddress, resolveHost };

export interface Destination {
  readonly url: URL;
  readonly isLoopback: boolean;
}

const MAX_URL_LENGTH = 2048;
const MAX_ADDRESSES = 16;
const LOCAL_SUFFIXES = ['.localhost', '.local', '.localdomain', '.internal', '.intranet', '.home.arpa'];

/**
 * Judges the spelling of a destination (contract §7): https, an allowed port, no user info, no fragment, a public-looking
 * host name and no address literal in any notation. With `allowInsecureLoopback` the spelled-out loopback hosts
 * (localhost, 127.0.0.0/8, ::1) are taken too, on any port, http or https; a name that merely resolves there is not.
 * @throws DestinationRefused
 */
export function parseDestination(text: string, allowInsecureLoopback: boolean, network: Network): Destination {
  const url = parseUrl(text);
  // WHATWG parsing has turned decimal, octal, hexadecimal, shortened, percent-encoded and full-width spellings of an
  // IPv4 address into four dotted numbers by now, so that one look at the host name is enough.
  const address = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (url.hostname === 'localhost' || isLoopbackAddress(address)) {
    if (allowInsecureLoopback) return { url, isLoopback: true };
    throw new DestinationRefused('local_name', 'the address is this machine itself');
  }
  if (url.protocol !== 'https:') throw new DestinationRefused('scheme', 'only https addresses are allowed');
  if (isIP(address) !== 0) {
    throw new DestinationRefused('address_literal', 'a host name is needed, an IP address is not allowed');
  }
  if (!url.hostname.includes('.') || LOCAL_SUFFIXES.some((suffix) => url.hostname.endsWith(suffix))) {
    throw new DestinationRefused('local_name', 'the host name is one of a private network');
  }
  if (!network.ports.has(url.port === '' ? '443' : url.port)) {
    throw new DestinationRefused('port', `the port must be one of ${[...network.ports].join(', ')}`);
  }
  return { url, isLoopback: false };
}

/**
 * The addresses of a name, provided that every one of them is public. One private address refuses all of them: a name
 * with both would reach the private one whenever the public one does not answer.
 * @throws DestinationRefused
 */
export async function resolvePublicAddresses(hostname: string, network: Network): Promise<readonly string[]> {
  let addresses: readonly string[];
  try {
    addresses = await network.resolveHost(hostname);
  } catch (error) {
    if (meansNoSuchName(error)) throw new DestinationRefused('name_not_found', 'the host name does not exist');
    throw new DestinationRefused('name_unresolved', 'the name servers of the host name gave no answer');
  }
  if (addresses.length === 0) throw new DestinationRefused('name_not_found', 'the host name has no address');
  if (!addresses.every((address) => network.isPublicAddress(address))) {
    throw new DestinationRefused('address_not_public', 'the host name leads to an address that is not public');
  }
  return addresses.slice(0, MAX_ADDRESSES);
}

function parseUrl(text: string): URL {
  if (text.length > MAX_URL_LENGTH) {
    throw new DestinationRefused('invalid_url', `the address is longer than ${MAX_URL_LENGTH} characters`);
  }
  // URL parsers disagree about white space, control characters and backslashes, so nobody needs to guess.
  if (!/^[^\s\p{Cc}\\]+$/u.test(text) || !URL.canParse(text)) {
    throw new DestinationRefused('invalid_url', 'the address is not a valid URL');
  }
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase();
  if (scheme !== 'https' && scheme !== 'http') {
    throw new DestinationRefused('scheme', 'only https addresses are allowed');
  }
  const authority = /^https?:\/\/([^/?#]+)/i.exec(text)?.[1];
  if (authority === undefined) throw new DestinationRefused('invalid_url', 'the address has no host');
  if (authority.includes('@')) {
    throw new DestinationRefused('user_info', 'the address must not hold a user name or password');
  }
  if (text.includes('#')) throw new DestinationRefused('fragment', 'the address must not hold a fragment');
  const url = new URL(text);
  if (url.hostname.endsWith('.')) throw new DestinationRefused('invalid_url', 'the host name ends with a dot');
  return url;
}
