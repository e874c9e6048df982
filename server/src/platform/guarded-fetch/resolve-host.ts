import { Resolver } from 'node:dns/promises';

/** Answers every address a name has, IPv4 and IPv6. Rejects with an error whose `code` is a `node:dns` code. */
export type ResolveHost = (hostname: string) => Promise<readonly string[]>;

/** Other name servers than the machine's ("127.0.0.1:5353") and another patience, for tests. */
export interface ResolverSettings {
  readonly servers?: readonly string[];
  readonly timeoutMilliseconds?: number;
}

const QUERY_TIMEOUT_MILLISECONDS = 1_500;
const QUERY_TRIES = 2;
const RESOLUTION_TIMEOUT_MILLISECONDS = 5_000;

/**
 * Asks the machine's name servers for A and AAAA records.
 * The system's getaddrinfo is not used on purpose: it occupies one of the process's four worker threads for as long as a
 * name server stays silent, so that four partners with dead name servers would stop file access and every other
 * delivery; and it consults /etc/hosts and search domains, where names of the inside live.
 */
export async function resolveHost(hostname: string, settings: ResolverSettings = {}): Promise<readonly string[]> {
  const resolver = new Resolver({ timeout: QUERY_TIMEOUT_MILLISECONDS, tries: QUERY_TRIES });
  if (settings.servers !== undefined) resolver.setServers(settings.servers);
  const timer = setTimeout(() => resolver.cancel(), settings.timeoutMilliseconds ?? RESOLUTION_TIMEOUT_MILLISECONDS);
  try {
    const answers = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
    const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    const failures = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as Error] : []));
    if (addresses.length > 0) return addresses;
    // A name without AAAA records is ordinary; a silent name server is what the caller has to hear of.
    throw failures.find((failure) => !meansNoSuchName(failure)) ?? failures[0] ?? new Error('no addresses');
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a resolver's error is an answer (the name has no address) rather than the lack of one. */
export function meansNoSuchName(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOTFOUND' || code === 'ENODATA' || code === 'EBADNAME';
}
