import {
  Balance,
  CreateRedemption,
  CreateUser,
  Redemption,
  UpdateUser,
  User,
  UserList,
  UserListQuery,
  UserParams,
} from '@sirgiving/contract';
import type { Sql } from '../platform/db.ts';
import { endpoint, keyedEndpoint } from '../platform/endpoint.ts';
import type { Ids } from '../platform/ids.ts';
import { pageRequest } from '../platform/keyset-page.ts';
import { type ClearedTraces, clearPersonalTraces } from './clear-personal-traces.ts';
import { createUser } from './create-user.ts';
import { eraseUser } from './erase-user.ts';
import { getUser, listUsers, noSuchUser, readBalance } from './queries.ts';
import { redeemTokens } from './redeem-tokens.ts';
import { updateUser } from './update-user.ts';

export interface UserDependencies {
  sql: Sql;
  ids: Ids;
}

/** The endpoints under `/v1/partner/users`; a user's transactions are with `transactionEndpoints`. */
export function userEndpoints(deps: UserDependencies) {
  return {
    ...readingEndpoints(deps),
    ...writingEndpoints(deps),
    erase: erasureEndpoint(deps),
    redeem: redemptionEndpoint(deps),
  };
}

function readingEndpoints({ sql }: UserDependencies) {
  const list = endpoint(
    {
      summary: 'List users',
      description: 'Newest first. `search` finds users by the beginning of their `externalUserId`.',
      query: UserListQuery,
      status: 200,
      answer: UserList,
      errors: ['INVALID_CURSOR'],
    },
    ({ tenant, query }) => listUsers(sql, tenant, query, pageRequest(query)),
  );
  const get = endpoint(
    {
      summary: 'Get a user',
      description: 'By your own id of the user.',
      params: UserParams,
      status: 200,
      answer: User,
      errors: ['NOT_FOUND'],
    },
    ({ tenant, params }) => getUser(sql, tenant, params.externalId),
  );
  const balance = endpoint(
    {
      summary: 'Get a user’s balance',
      description:
        '`available` can be spent; it is below 0 where a reversal took back what was spent already. The `lifetime…` figures only grow.',
      params: UserParams,
      status: 200,
      answer: Balance,
      errors: ['NOT_FOUND'],
    },
    ({ tenant, params, now }) => readBalance(sql, tenant, params.externalId, now),
  );
  return { list, get, balance };
}

function writingEndpoints({ ids }: UserDependencies) {
  const create = keyedEndpoint(
    {
      summary: 'Create a user',
      description: 'Emits `user.created`. Actions create unknown users by themselves unless told not to.',
      body: CreateUser,
      status: 201,
      answer: User,
      errors: ['USER_EXISTS'],
      ignoresUnknownFields: true,
    },
    (tx, { tenant, body, now }) => createUser(tx, ids, tenant, body, now),
  );
  const patch = keyedEndpoint(
    {
      summary: 'Change a user',
      description:
        'Fields left out stay as they are; null clears one. `metadata` is not merged: what is sent replaces the whole, `{}` empties it. ' +
        'The `externalUserId` cannot be changed.',
      params: UserParams,
      body: UpdateUser,
      status: 200,
      answer: User,
      errors: ['NOT_FOUND'],
      ignoresUnknownFields: true,
    },
    (tx, { tenant, params, body, now }) => updateUser(tx, tenant, params.externalId, body, now),
  );
  return { create, patch };
}

function erasureEndpoint({ sql, ids }: UserDependencies) {
  // How far it has come before the last transaction, by its call.
  const begun = new WeakMap<object, ClearedTraces>();
  return keyedEndpoint(
    {
      summary: 'Erase a user',
      description:
        'Erases the person: e-mail, names, metadata and your own id of the user, also in events that were told. The books stay: ' +
        'transactions and actions name a marker (`erased:…`) in place of the user, and can still be reversed. The `externalUserId` is ' +
        'free again; a user who is created under it is another one, with an empty balance. The user is there until the end; a person ' +
        'with tens of thousands of actions takes some seconds, and a request that was cut off goes on where it was when it is sent again.',
      params: UserParams,
      status: 204,
      errors: ['NOT_FOUND', 'UNAVAILABLE', 'OUTCOME_UNKNOWN'],
    },
    async (tx, call) => {
      const cleared = begun.get(call);
      if (cleared === undefined) throw noSuchUser();
      await eraseUser(tx, call.tenant, cleared, call.now);
    },
    async (call) => {
      const cleared = await clearPersonalTraces(sql, ids, call.tenant, call.params.externalId);
      if (cleared !== undefined) begun.set(call, cleared);
    },
  );
}

function redemptionEndpoint(deps: UserDependencies) {
  return endpoint(
    {
      summary: 'Redeem tokens',
      description:
        'Spends available tokens of a user. The `idempotencyKey` is unique for ever among your redemptions: the same request again gives the ' +
        'first answer with `Idempotent-Replayed: true`. A request that was refused uses no key up. Emits `transaction.completed` and ' +
        '`reward.redeemed`.',
      params: UserParams,
      body: CreateRedemption,
      status: 201,
      answer: Redemption,
      errors: [
        'NOT_FOUND',
        'INSUFFICIENT_BALANCE',
        'NO_ACTIVE_POOL',
        'IDEMPOTENCY_KEY_REUSED',
        'UNAVAILABLE',
        'OUTCOME_UNKNOWN',
      ],
    },
    async ({ tenant, params, body, now, setHeader }) => {
      const request = { ...body, externalUserId: params.externalId };
      const { redemption, replayed } = await redeemTokens(deps, tenant, request, now);
      if (replayed) setHeader('Idempotent-Replayed', 'true');
      return redemption;
    },
  );
}
