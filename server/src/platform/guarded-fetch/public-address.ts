import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

const GLOBAL_UNICAST_IPV6: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('2000::'), 3];

/**
 * Azure answers metadata and management requests of its virtual machines here, although the address is an ordinary
 * public one. The other clouds use link-local, unique-local, shared (100.64/10) or reserved ones, refused by their range.
 */
const AZURE_PLATFORM_ADDRESS = '168.63.129.16';

/**
 * Whether an address is plain public unicast, the only kind that partners' addresses may have. Everything else is
 * refused, also what is not known: IPv6 must lie in 2000::/3 (so that mapped, compatible, NAT64 and unassigned ranges
 * are out) and in none of the special ranges inside it (6to4, Teredo, documentation, ORCHID …), all of which can carry a
 * private IPv4 address past a simpler check.
 */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return ipaddr.IPv4.parse(address).range() === 'unicast' && address !== AZURE_PLATFORM_ADDRESS;
    case 6: {
      // A zone id names an interface of this machine; no public address has one.
      if (address.includes('%')) return false;
      const parsed = ipaddr.IPv6.parse(address);
      return parsed.match(GLOBAL_UNICAST_IPV6) && parsed.range() === 'unicast';
    }
    default:
      return false;
  }
}

/** Whether an address is this machine's own: 127.0.0.0/8 or ::1, and no mapped spelling of them. */
export function isLoopbackAddress(address: string): boolean {
  return isIP(address) !== 0 && !address.includes('%') && ipaddr.parse(address).range() === 'loopback';
}
