import { randomInt, randomUUID } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { signRequest } from '@sirgiving/signature';
import { undoLater } from './cleanup.mjs';

/**
 * @typedef {object} Signer who signs, and which users its actions reward
 * @property {string} secretKey
 * @property {string} hmacSecret
 * @property {number} users `user_1` … `user_<users>`
 * @property {Record<string, string>} [metadata] beside what every action carries
 */

const SUBMIT_PATH = '/v1/partner/actions/submit';
const BATCH_PATH = '/v1/partner/actions/batch';

const REQUESTS_PER_WRITE = 2_000;
const DATA_FOLDER = fileURLToPath(new URL('../.data', import.meta.url));

/** A folder for the files of requests; it goes when the bench ends. */
export function requestFolder() {
  const folder = mkdtempSync(join(DATA_FOLDER, 'bench-requests-'));
  undoLater(async () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * Writes signed requests into a file for presigned.lua, each of a random signer and with keys that no other request has. Signatures
 * live 5 minutes: write the file right before its run.
 * @param {string} path
 * @param {{ count: number, signers: readonly Signer[], itemsPerCall: number }} wanted one item: actions/submit; more: actions/batch
 */
export function writeSignedRequests(path, { count, signers, itemsPerCall }) {
  const file = openSync(path, 'w');
  const run = randomUUID().slice(0, 8);
  const timestamp = Math.floor(Date.now() / 1000);
  let number = 0;
  let chunk = '';
  for (let written = 0; written < count; written++) {
    const signer = /** @type {Signer} */ (signers[randomInt(signers.length)]);
    const actions = Array.from({ length: itemsPerCall }, () => action(signer, `${run}-${number++}`));
    const request = signed(signer, timestamp, itemsPerCall === 1 ? actions[0] : { mode: 'independent', actions });
    chunk += `${request.length}\n${request}`;
    if (written % REQUESTS_PER_WRITE === 0 || itemsPerCall > 1 || written === count - 1) {
      writeSync(file, chunk);
      chunk = '';
    }
  }
  closeSync(file);
}

/** The documented example of an action. @param {Signer} signer @param {string} order */
function action(signer, order) {
  const user = `user_${1 + randomInt(signer.users)}`;
  return {
    idempotencyKey: `order_${order}`,
    actionType: 'PURCHASE',
    amount: 49.99,
    currency: 'USD',
    stakeholders: [{ stakeholderTypeCode: 'CUSTOMER', partnerUserId: user, ...nameOf(user) }],
    autoCreateUsers: true,
    metadata: { orderId: order, channel: 'web', ...signer.metadata },
  };
}

/** What is known of a user, before a run and in its requests alike. @param {string} user */
export function nameOf(user) {
  return { userEmail: `${user}@example.com`, userFirstName: 'Jane', userLastName: 'Doe' };
}

/** The bytes of a whole request; all of them are ASCII. @param {Signer} signer @param {number} timestamp @param {unknown} content */
function signed(signer, timestamp, content) {
  const body = JSON.stringify(content);
  const isBatch = typeof content === 'object' && content !== null && 'actions' in content;
  const path = isBatch ? BATCH_PATH : SUBMIT_PATH;
  const signature = signRequest({ hmacSecret: signer.hmacSecret, timestamp, method: 'POST', path, body });
  return [
    `POST ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    `X-Partner-Key: ${signer.secretKey}`,
    `X-Timestamp: ${timestamp}`,
    `X-Signature: ${signature}`,
    '',
    body,
  ].join('\r\n');
}
