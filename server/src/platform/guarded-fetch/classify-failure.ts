import { errors } from 'undici';
import { DestinationRefused } from './destination.ts';

/** Why no complete answer came. Told apart by error class and code, never by message text. */
export type FailureReason =
  | 'refused_destination'
  | 'dns'
  | 'tls'
  | 'connection'
  | 'timeout'
  | 'aborted'
  | 'too_large'
  | 'invalid_answer'
  | 'invalid_request';

const MAX_DETAIL_LENGTH = 200;

// OpenSSL's verification errors as node:tls names them, beside its own ERR_TLS_ and ERR_SSL_ families.
const TLS_CODE =
  /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|CRL_|UNABLE_TO_|ERROR_IN_CERT_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|EPROTO$)/;

/** Says what kind of failure an error of a request is, with one line of detail that is safe to show and to store. */
export function classifyFailure(error: unknown): { readonly reason: FailureReason; readonly detail: string } {
  if (error instanceof DestinationRefused) {
    const isDns = error.reason === 'name_not_found' || error.reason === 'name_unresolved';
    return { reason: isDns ? 'dns' : 'refused_destination', detail: error.message };
  }
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const message = error instanceof Error ? error.message : 'unknown failure';
  // Only printable characters: what a server answered may be part of a message, and PostgreSQL stores no NUL.
  const detail = `${code} ${message}`.replace(/[^\x20-\x7e]+/g, ' ').trim();
  const reason = error instanceof errors.HTTPParserError ? 'invalid_answer' : reasonOf(code);
  return { reason, detail: detail.slice(0, MAX_DETAIL_LENGTH) };
}

function reasonOf(code: string): FailureReason {
  if (TLS_CODE.test(code)) return 'tls';
  if (code === 'ETIMEDOUT' || code === 'UND_ERR_CONNECT_TIMEOUT') return 'timeout';
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return 'too_large';
  if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH') return 'invalid_request';
  return 'connection';
}
