import type { Environment } from '@sirgiving/contract';
import type { SecretBox, SecretPlace, SecretPurpose } from '../platform/secret-box.ts';
import type { CustomHeaders } from './custom-headers.ts';

/** Whose secrets: row ids. */
export interface EndpointPlace {
  readonly partnerId: string;
  readonly environment: Environment;
  readonly endpointId: string;
}

function placeOf(purpose: SecretPurpose, place: EndpointPlace): SecretPlace {
  return { purpose, environment: place.environment, rowId: `${place.partnerId}/${place.endpointId}` };
}

export function sealSecret(box: SecretBox, place: EndpointPlace, secret: string): Buffer {
  return box.seal(placeOf('webhook-secret', place), secret);
}

/** The signing secret of an endpoint. Throws SecretNotOpened. */
export function openSecret(box: SecretBox, place: EndpointPlace, sealed: Uint8Array): string {
  return box.open(placeOf('webhook-secret', place), sealed);
}

/** None are stored as null. */
export function sealHeaders(box: SecretBox, place: EndpointPlace, headers: CustomHeaders): Buffer | null {
  if (Object.keys(headers).length === 0) return null;
  return box.seal(placeOf('webhook-headers', place), JSON.stringify(headers));
}

/** The custom headers of an endpoint. Throws SecretNotOpened. */
export function openHeaders(box: SecretBox, place: EndpointPlace, sealed: Uint8Array | null): CustomHeaders {
  if (sealed === null) return {};
  // It was judged when it was sealed, and opening has authenticated it.
  return JSON.parse(box.open(placeOf('webhook-headers', place), sealed)) as CustomHeaders;
}
