import ipaddr from 'ipaddr.js';

/** Finds out who sent a request: the address of the connection, or what proxies that are trusted say about it. */
export type ClientIp = (connection: string | undefined, forwardedFor: string | string[] | undefined) => string;

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number];

const UNKNOWN_ADDRESS = '0.0.0.0';

/**
 * `X-Forwarded-For` is read from the right, since every proxy appends the address it saw: as long as the address is one of the trusted
 * ranges (CIDR), the next one to the left counts. Whatever stands further left was written by the client and proves nothing. Without
 * trusted ranges the header is not read at all.
 */
export function clientIpBehind(trustedProxies: readonly string[]): ClientIp {
  const trusted = trustedProxies.map((cidr) => ipaddr.parseCIDR(cidr) as Range);
  if (trusted.length === 0) return (connection) => withoutMapping(connection ?? UNKNOWN_ADDRESS);
  return (connection, forwardedFor) => {
    let address = withoutMapping(connection ?? UNKNOWN_ADDRESS);
    const hops = (Array.isArray(forwardedFor) ? forwardedFor.join(',') : (forwardedFor ?? '')).split(',');
    while (hops.length > 0 && isWithin(trusted, address)) {
      const hop = parseHop(hops.pop() ?? '');
      // What cannot be read was not written by a proxy of ours: its sender is the last one known.
      if (hop === undefined) break;
      address = hop;
    }
    return address;
  };
}

/** An IPv4 address that a socket for both families shows as `::ffff:192.0.2.1`. */
function withoutMapping(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address;
}

function parseHop(text: string): string | undefined {
  // Some proxies append the port: `192.0.2.1:4711`, `[2001:db8::1]:4711`.
  const host = /^\s*(?:\[([0-9a-fA-F:.]+)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+)(?::\d+)?|([0-9a-fA-F:.]+))\s*$/.exec(text);
  const address = host?.[1] ?? host?.[2] ?? host?.[3];
  if (address === undefined || !ipaddr.isValid(address)) return undefined;
  return ipaddr.process(address).toString();
}

function isWithin(ranges: readonly Range[], address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  return ranges.some(([network, bits]) => parsed.kind() === network.kind() && parsed.match(network, bits));
}

const IPV6_NETWORK_BYTES = 8;

/** What requests of one sender are counted under: an IPv6 sender has a whole /64 to choose addresses from. */
export function addressToCount(address: string): string {
  if (!address.includes(':') || !ipaddr.isValid(address)) return address;
  return `${ipaddr.parse(address).toByteArray().slice(0, IPV6_NETWORK_BYTES).join('.')}/64`;
}
