import { isAllowedHeader } from '../platform/guarded-fetch.ts';
import { type FieldError, problem } from '../platform/problem-json.ts';

export type CustomHeaders = Readonly<Record<string, string>>;

// What we send ourselves, and what would change how the body is read or where it goes.
const OWN_HEADERS: ReadonlySet<string> = new Set([
  'content-type',
  'content-encoding',
  'user-agent',
  'accept-encoding',
  'proxy-authorization',
]);
const OWN_PREFIXES = ['x-sir-', 'webhook-', 'svix-'];

/**
 * Judges the headers that a partner wants to have on its deliveries (contract §7, Register). Throws 400 `INVALID_REQUEST`, naming each,
 * for a name that is ours or the connection's and for a name given twice in different case.
 */
export function assertCustomHeaders(headers: CustomHeaders): void {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase();
    if (isReserved(lower, value)) {
      errors.push({ path: `/headers/${name}`, message: 'is reserved: we set it, or the connection does' });
    } else if (seen.has(lower)) {
      errors.push({ path: `/headers/${name}`, message: 'is given twice: header names do not differ by case' });
    }
    seen.add(lower);
  }
  if (errors.length > 0) throw problem('INVALID_REQUEST', 'These custom headers cannot be sent.', { errors });
}

function isReserved(lowerName: string, value: string): boolean {
  return (
    OWN_HEADERS.has(lowerName) ||
    OWN_PREFIXES.some((prefix) => lowerName.startsWith(prefix)) ||
    !isAllowedHeader(lowerName, value)
  );
}
