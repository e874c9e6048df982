import { isIP, type LookupFunction, type Socket } from 'node:net';
import { buildConnector } from 'undici';
import { DestinationRefused, type Network, resolvePublicAddresses } from './destination.ts';
import { isLoopbackAddress } from './public-address.ts';

// Connecting ends no later than the longest request; the request's own deadline usually ends it first.
const CONNECT_TIMEOUT_MILLISECONDS = 15_000;
// Node gives each address of a name 250 ms before it tries the next; far-away servers need more.
const ADDRESS_ATTEMPT_MILLISECONDS = 1_000;

/** What a connector checks: how a name becomes addresses, and which address a socket may be connected to. */
interface AddressRule {
  readonly addressesOf: (hostname: string) => Promise<readonly string[]>;
  readonly isAllowed: (address: string) => boolean;
}

/** Connects only to public addresses of names. */
export function publicConnector(network: Network, certificateAuthority?: string): buildConnector.connector {
  const addressesOf = (hostname: string) => resolvePublicAddresses(hostname, network);
  return guardedConnector({ addressesOf, isAllowed: network.isPublicAddress }, certificateAuthority);
}

/** Connects only to this machine itself. `localhost` is fixed here and never asked of a name server. */
export function loopbackConnector(certificateAuthority?: string): buildConnector.connector {
  const addressesOf = async (hostname: string) => (hostname === 'localhost' ? ['127.0.0.1', '::1'] : []);
  return guardedConnector({ addressesOf, isAllowed: isLoopbackAddress }, certificateAuthority);
}

/**
 * A connector whose sockets are connected to checked addresses only. The check is part of the socket's own look-up: the
 * addresses that were judged are the very ones that are dialled, so a name whose answer changes in between (rebinding)
 * gains nothing. A literal skips the look-up and is therefore judged before; and the address that the socket ended up at
 * is judged once more before the first byte of a request. TLS names and certificates are those of the host name.
 */
function guardedConnector(rule: AddressRule, certificateAuthority: string | undefined): buildConnector.connector {
  const connect = buildConnector({
    timeout: CONNECT_TIMEOUT_MILLISECONDS,
    lookup: guardedLookup(rule),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: ADDRESS_ATTEMPT_MILLISECONDS,
    // Said aloud, so that NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment cannot switch it off.
    rejectUnauthorized: true,
    allowH2: false,
    ...(certificateAuthority === undefined ? {} : { ca: certificateAuthority }),
  });
  return (options, callback) => {
    if (isIP(options.hostname) !== 0 && !rule.isAllowed(options.hostname)) {
      callback(notAllowed(), null);
      return;
    }
    connect(options, (error: Error | null, socket: Socket | null) => {
      if (error !== null || socket === null) {
        callback(error ?? new Error('no socket'), null);
      } else if (socket.remoteAddress === undefined || !rule.isAllowed(socket.remoteAddress)) {
        socket.destroy();
        callback(notAllowed(), null);
      } else {
        callback(null, socket);
      }
    });
  };
}

function guardedLookup(rule: AddressRule): LookupFunction {
  return (hostname, options, callback) => {
    rule.addressesOf(hostname).then(
      (addresses) => {
        const found = addresses.filter(rule.isAllowed).map((address) => ({ address, family: isIP(address) }));
        const [first] = found;
        if (first === undefined) callback(notAllowed(), '', 0);
        else if (options.all === true) callback(null, found);
        else callback(null, first.address, first.family);
      },
      (error: Error) => callback(error, '', 0),
    );
  };
}

function notAllowed(): DestinationRefused {
  return new DestinationRefused('address_not_public', 'the host name leads to an address that is not allowed');
}
