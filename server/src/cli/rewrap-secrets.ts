import type { Tx } from '../platform/db.ts';
import { checkMasterKey, createSecretBox, type SecretPurpose } from '../platform/secret-box.ts';

interface SealedColumn {
  table: string;
  column: string;
  purpose: SecretPurpose;
  /** A tenant's row is bound to `<partner id>/<row id>` and its environment; one of a person to its id, in both environments. */
  boundTo: 'tenant' | 'row' | 'person';
}

/** Every column that holds sealed secrets. A test holds it against the columns of the database. */
export const sealedColumns: readonly SealedColumn[] = [
  { table: 'api_keys', column: 'hmac_secret_encrypted', purpose: 'hmac-secret', boundTo: 'tenant' },
  { table: 'idempotent_requests', column: 'secrets_encrypted', purpose: 'kept-answer', boundTo: 'tenant' },
  { table: 'webhook_endpoints', column: 'headers_encrypted', purpose: 'webhook-headers', boundTo: 'tenant' },
  { table: 'webhook_endpoints', column: 'secret_encrypted', purpose: 'webhook-secret', boundTo: 'tenant' },
  { table: 'accounts', column: 'totp_seed_encrypted', purpose: 'totp-seed', boundTo: 'person' },
  { table: 'mail_outbox', column: 'sealed_mail', purpose: 'mail', boundTo: 'row' },
];

const ROWS_AT_ONCE = 500;
/** Version and id of the master key, which stand in front of every sealed secret. */
const HEADER_BYTES = 5;

interface SealedRow {
  partnerId: string | null;
  id: string;
  environment: string;
  sealed: Buffer;
}

/**
 * Makes the database that of another master key, until COMMIT for this transaction only: whatever opens it meanwhile waits, and is
 * refused then if it comes with the old key. Throws StartupError when the old key is not the database's own, since another rewrap was
 * quicker.
 */
export async function takeNewMasterKey(tx: Tx, oldKey: string, newKey: string): Promise<void> {
  const tables = [...new Set(sealedColumns.map(({ table }) => table))];
  await tx`lock table ${tx(tables)} in share row exclusive mode`;
  await checkMasterKey(tx, oldKey);
  await tx`delete from master_key_checks`;
  await checkMasterKey(tx, newKey);
}

/**
 * Seals every secret of the database anew with another master key: all or nothing, in the transaction that has taken that key. Answers
 * how many secrets each column had. Throws SecretNotOpened when one does not open with the old key.
 */
export async function rewrapSecrets(tx: Tx, oldKey: string, newKey: string): Promise<Record<string, number>> {
  const boxes = { from: createSecretBox(oldKey), to: createSecretBox(newKey) };
  const counts: Record<string, number> = {};
  for (const column of sealedColumns)
    counts[`${column.table}.${column.column}`] = await rewrapColumn(tx, column, boxes);
  return counts;
}

type Box = ReturnType<typeof createSecretBox>;

async function rewrapColumn(
  tx: Tx,
  { table, column, purpose, boundTo }: SealedColumn,
  { from, to }: { from: Box; to: Box },
) {
  const newHeader = to.seal({ purpose, environment: 'both', rowId: '' }, '').subarray(0, HEADER_BYTES);
  const partner = boundTo === 'tenant' ? tx`partner_id` : tx`null::uuid`;
  const environment = boundTo === 'person' ? tx`'both'` : tx`environment`;
  for (let count = 0; ; ) {
    const rows = await tx<SealedRow[]>`
      select ${partner} as "partnerId", id, ${environment} as environment, ${tx(column)} as sealed from ${tx(table)}
      where ${tx(column)} is not null and substring(${tx(column)} from 1 for ${HEADER_BYTES}) <> ${newHeader}
      limit ${ROWS_AT_ONCE}`;
    if (rows.length === 0) return count;
    count += rows.length;
    await Promise.all(
      rows.map(({ partnerId, id, environment: name, sealed }) => {
        const place = { purpose, environment: name, rowId: partnerId === null ? id : `${partnerId}/${id}` };
        const sealedAnew = to.seal(place, from.open(place, sealed));
        const isOfPartner = partnerId === null ? tx`` : tx`and partner_id = ${partnerId}`;
        return tx`update ${tx(table)} set ${tx(column)} = ${sealedAnew} where id = ${id} ${isOfPartner}`;
      }),
    );
  }
}
