import {
  ApiKey,
  ApiKeyList,
  ApiKeyListQuery,
  ApiKeyParams,
  CreatedKey,
  CreateKey,
  RotatedKey,
  RotateKey,
  UpdateKey,
} from '@sirgiving/contract';
import { callerOfKind } from '../../platform/caller.ts';
import type { Sql } from '../../platform/db.ts';
import { endpoint, keyedEndpoint } from '../../platform/endpoint.ts';
import { pageRequest } from '../../platform/keyset-page.ts';
import { deleteKey } from './delete-key.ts';
import { type IssueKeyDependencies, issueKey } from './issue-key.ts';
import { getKey, listKeys } from './list-keys.ts';
import { rotateKey } from './rotate-key.ts';
import { updateKey } from './update-key.ts';

const SHOWN_ONCE = ['secretKey', 'hmacSecret'] as const;

/** The endpoints under `/v1/partner/keys`. */
export function keyEndpoints(deps: IssueKeyDependencies & { sql: Sql }) {
  return { ...issuingEndpoints(deps), ...managingEndpoints(deps) };
}

function issuingEndpoints(deps: IssueKeyDependencies) {
  const create = keyedEndpoint(
    {
      summary: 'Create a key',
      description:
        'Answers a publishable key, a secret key and the secret that signs the requests of both; the latter two are shown once. Your first key makes your partner, which has the whole sandbox at once; live keys can read until SIR Giving has approved it. For developers and owners.',
      body: CreateKey,
      status: 201,
      answer: CreatedKey,
      errors: ['PARTNER_REQUIRED', 'ROLE_REQUIRED', 'NOT_FOUND', 'PARTNER_SUSPENDED', 'LIMIT_REACHED'],
      shownOnce: SHOWN_ONCE,
      ignoresUnknownFields: true,
    },
    (tx, call) => issueKey(tx, deps, { ...call, caller: callerOfKind(call, 'account') }),
  );
  const rotate = keyedEndpoint(
    {
      summary: 'Rotate a key',
      description:
        'Makes a successor with the same name and lists. Both work for `overlapHours`: bring the new one to your servers in that time.',
      params: ApiKeyParams,
      body: RotateKey,
      status: 201,
      answer: RotatedKey,
      errors: ['NOT_FOUND', 'KEY_NOT_ROTATABLE'],
      shownOnce: SHOWN_ONCE,
    },
    (tx, call) => {
      const { tenant, params, body, now } = call;
      const createdBy = callerOfKind(call, 'member').accountId;
      return rotateKey(tx, deps, tenant, { id: params.id, overlapHours: Number(body.overlapHours), createdBy }, now);
    },
  );
  return { create, rotate };
}

function managingEndpoints({ sql }: { sql: Sql }) {
  const list = endpoint(
    {
      summary: 'List keys',
      description: 'Of the environment that is asked about, newest first, revoked ones too. Secrets are never shown.',
      query: ApiKeyListQuery,
      status: 200,
      answer: ApiKeyList,
      errors: ['INVALID_CURSOR'],
    },
    ({ tenant, query, now }) => listKeys(sql, tenant, query, pageRequest(query), now),
  );
  const get = endpoint(
    { summary: 'Get a key', params: ApiKeyParams, status: 200, answer: ApiKey, errors: ['NOT_FOUND'] },
    ({ tenant, params, now }) => getKey(sql, tenant, params.id, now),
  );
  const patch = keyedEndpoint(
    {
      summary: 'Change a key',
      description:
        'Its name, whether it works (`isActive`), when it stops working, and the lists of addresses and origins that it may be used from. Holds everywhere within a second.',
      params: ApiKeyParams,
      body: UpdateKey,
      status: 200,
      answer: ApiKey,
      errors: ['NOT_FOUND'],
      ignoresUnknownFields: true,
    },
    (tx, { tenant, params, body, now }) => updateKey(tx, tenant, params.id, body, now),
  );
  const remove = keyedEndpoint(
    {
      summary: 'Revoke a key',
      description: 'For ever, and everywhere within a second.',
      params: ApiKeyParams,
      status: 204,
      errors: ['NOT_FOUND'],
    },
    (tx, { tenant, params, now }) => deleteKey(tx, tenant, params.id, now),
  );
  return { list, get, patch, delete: remove };
}
