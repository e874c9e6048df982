import {
  ActionListQuery,
  CreateUser,
  CreateWebhook,
  ReverseAction,
  SubmitAction,
  UserParams,
} from '@sirgiving/contract';
import Type from 'typebox';
import { describe, expect, test } from 'vitest';
import { type Endpoint, endpoint } from './endpoint.ts';
import { Problem } from './problem-json.ts';
import { compileRequestChecks, compileValueCheck, isTimestamp, parseQuery } from './request-validation.ts';
import { ignoredFieldsHeader } from './unknown-fields.ts';

const nothing = async () => undefined;
const submit = compileRequestChecks(
  endpoint({ summary: '', body: SubmitAction, status: 200, errors: [], ignoresUnknownFields: true }, nothing),
);
const reverse = compileRequestChecks(endpoint({ summary: '', body: ReverseAction, status: 200, errors: [] }, nothing));
const listing = compileRequestChecks(
  endpoint({ summary: '', query: ActionListQuery, status: 200, errors: [] }, nothing),
);

const stakeholder = { stakeholderTypeCode: 'CUSTOMER', partnerUserId: 'user_42' };
const action = {
  idempotencyKey: 'order_1',
  actionType: 'PURCHASE',
  amount: 49.99,
  currency: 'USD',
  stakeholders: [stakeholder],
};
const bytes = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));

function refusal(work: () => unknown): Problem {
  try {
    work();
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

function faults(checks: ReturnType<typeof compileRequestChecks>, body: unknown): Record<string, string> {
  const { code, options } = refusal(() => checks.readBody(bytes(body)));
  expect(code).toBe('INVALID_REQUEST');
  return Object.fromEntries((options.errors ?? []).map(({ path, message }) => [path, message]));
}

describe('a body', () => {
  test('that fits is handed on as it was sent', () => {
    expect(submit.readBody(bytes(action))).toEqual({ body: action, ignored: [] });
  });

  test('is never coerced: a number sent as text, or text as a number, is refused', () => {
    expect(faults(submit, { ...action, amount: '49.99' })).toEqual({ '/amount': 'must be a number' });
    expect(faults(submit, { ...action, idempotencyKey: 7 })).toEqual({ '/idempotencyKey': 'must be a string' });
    expect(faults(submit, { ...action, autoCreateUsers: 'true' })).toEqual({
      '/autoCreateUsers': 'must be true or false',
    });
    expect(faults(submit, { ...action, stakeholders: stakeholder })).toEqual({ '/stakeholders': 'must be a list' });
    expect(faults(submit, [action])).toEqual({ '': 'must be an object' });
  });

  test('is judged whole: every fault is named by a JSON Pointer and a sentence', () => {
    const body = {
      ...action,
      idempotencyKey: 'x'.repeat(256),
      currency: 'usd',
      actionType: 'buy',
      amount: -1,
      occurredAt: 'yesterday',
      campaignId: 'act_01h455vb4pex5vsknk084sn02q',
      stakeholders: [stakeholder, { partnerUserId: '', userEmail: 'nobody' }],
    };
    expect(faults(submit, body)).toEqual({
      '/idempotencyKey': 'must be at most 255 characters',
      '/currency': 'must be three capital letters, such as USD',
      '/actionType': 'must be 2 to 40 capital letters, digits and underscores, with a letter in front',
      '/amount': 'must be at least 0',
      '/occurredAt': 'must be a time as in RFC 3339, such as 2026-01-31T09:30:00.000Z',
      '/campaignId': 'must be an id that begins with cmp_',
      '/stakeholders/1/stakeholderTypeCode': 'is required',
      '/stakeholders/1/partnerUserId': 'must not be empty',
      '/stakeholders/1/userEmail': 'must be an e-mail address',
    });
  });

  test('with more than 20 faults has the first 20 named', () => {
    const body = { ...action, stakeholders: Array.from({ length: 20 }, () => ({})) };
    expect(Object.keys(faults(submit, body))).toHaveLength(20);
  });

  test('with a value of a wrong kind among alternatives is told which kinds there are, else what its kind must be', () => {
    expect(faults(submit, { ...action, metadata: { a: null } })).toEqual({
      '/metadata/a': 'must be a string, a number or true or false',
    });
    expect(faults(submit, { ...action, metadata: { a: 'x'.repeat(501) } })).toEqual({
      '/metadata/a': 'must be at most 500 characters',
    });
  });

  test('with more values than any request needs has its first fault named only, since naming all of them is work', () => {
    const stakeholders = Array.from({ length: 6_000 }, () => 1);
    expect(faults(submit, { ...action, stakeholders })).toEqual({ '/stakeholders': 'must hold at most 20 items' });
    expect(faults(submit, { ...action, stakeholders, amount: 'x' })).toEqual({ '/amount': 'must be a number' });
    const metadata = Object.fromEntries(Array.from({ length: 6_000 }, (_, index) => [`k${index}`, null]));
    expect(faults(submit, { ...action, metadata })).toEqual({ '/metadata': 'must have at most 50 fields' });
    const unknown = Object.fromEntries(Array.from({ length: 6_000 }, (_, index) => [`k${index}`, 1]));
    expect(Object.keys(faults(reverse, { reason: 'returned', ...unknown }))).toContain('/k5999');
    expect(faults(reverse, { ...unknown, reason: 1 })).toMatchObject({ '/reason': 'must be a string' });
  });

  test('that is no JSON is INVALID_JSON with the place', () => {
    const found = refusal(() => submit.readBody(bytes('{"stakeholders":[{"a":1,"a":1}]}')));
    expect(found.code).toBe('INVALID_JSON');
    expect(found.options.errors).toEqual([
      { path: '/stakeholders/0/a', message: 'This key stands twice in one object.' },
    ]);
    expect(refusal(() => submit.readBody(bytes(''))).code).toBe('INVALID_JSON');
    expect(refusal(() => submit.readBody(bytes(`${JSON.stringify(action)}x`))).code).toBe('INVALID_JSON');
  });

  test('of an endpoint that takes none may be left out or be {}', () => {
    const none = compileRequestChecks(endpoint({ summary: '', status: 200, errors: [] }, nothing));
    expect(none.readBody(Buffer.alloc(0)).body).toBeUndefined();
    expect(none.readBody(bytes({})).body).toBeUndefined();
    expect(faults(none, { a: 1 })).toEqual({ '/a': 'is not a known field' });
    expect(faults(none, [])).toEqual({ '': 'must be an object' });
  });
});

describe('unknown fields', () => {
  test('of a documented endpoint are taken out and named, nested ones too', () => {
    const sent = {
      ...action,
      'a/b~c': 1,
      stakeholders: [{ ...stakeholder, nickname: 'J' }],
      metadata: { anything: 1 },
    };
    const { body, ignored } = submit.readBody(bytes(sent));
    expect(ignored).toEqual(['/stakeholders/0/nickname', '/a~1b~0c']);
    expect(body).toEqual({ ...action, metadata: { anything: 1 } });
  });

  test('named like members of every object are unknown too', () => {
    const { body, ignored } = submit.readBody(
      bytes(`{"__proto__":{"x":1},"constructor":1,${JSON.stringify(action).slice(1)}`),
    );
    expect(ignored).toEqual(['/__proto__', '/constructor']);
    expect(body).toEqual(action);
    expect(Reflect.get(body as object, 'x')).toBeUndefined();
  });

  test('of an endpoint of ours are refused, also inside lists and where the schema leaves them open', () => {
    const body = { reason: 'returned', distributions: [{ ...stakeholder, tokens: 1, note: 'x' }], extra: 1 };
    expect(faults(reverse, body)).toEqual({
      '/extra': 'is not a known field',
      '/distributions/0/note': 'is not a known field',
    });
    const open = compileRequestChecks(endpoint({ summary: '', body: CreateUser, status: 201, errors: [] }, nothing));
    expect(faults(open, { externalUserId: 'a', extra: 1 })).toEqual({ '/extra': 'is not a known field' });
  });

  test('inside a record are its contents; a name that the record does not allow is refused', () => {
    const check = compileValueCheck(CreateUser, true);
    expect(check({ externalUserId: 'a', metadata: { 'any name': 1 } })).toEqual({ errors: [], ignored: [] });
    const { errors } = check({ externalUserId: 'a', metadata: { ['x'.repeat(41)]: 1 } });
    expect(errors).toEqual([
      { path: `/metadata/${'x'.repeat(41)}`, message: 'has a name that must be at most 40 characters' },
    ]);
    const webhook = { url: 'https://shop.example.com/', receiveAllEvents: true };
    const named = compileValueCheck(CreateWebhook, true)({ ...webhook, headers: { Fine: 'x', 'not a name': 7 } });
    expect(named).toEqual({
      errors: [{ path: '/headers/not a name', message: 'has a name that is not allowed here' }],
      ignored: [],
    });
  });

  test('make a header of percent-encoded pointers, at most 20 and 1 kB', () => {
    expect(ignoredFieldsHeader(['/a', '/späß/0', '/a,b c'])).toBe('/a,/sp%C3%A4%C3%9F/0,/a%2Cb%20c');
    expect(ignoredFieldsHeader(Array.from({ length: 30 }, (_, index) => `/f${index}`)).split(',')).toHaveLength(20);
    const long = ignoredFieldsHeader(Array.from({ length: 20 }, () => `/${'x'.repeat(99)}`));
    expect(long.length).toBeLessThanOrEqual(1024);
    expect(long.split(',')).toHaveLength(10);
  });
});

describe('a query string', () => {
  test('is read with numbers and booleans out of text', () => {
    expect(listing.readQuery('limit=5&status=FAILED')).toEqual({ limit: 5, status: 'FAILED' });
    const flags = endpoint(
      { summary: '', query: Type.Object({ on: Type.Boolean() }), status: 200, errors: [] },
      nothing,
    );
    expect(compileRequestChecks(flags).readQuery('on=true')).toEqual({ on: true });
  });

  const bad = (text: string, checks = listing) => {
    const { code, options } = refusal(() => checks.readQuery(text));
    expect(code).toBe('INVALID_REQUEST');
    return options.errors;
  };

  test('with an unknown filter or a value that does not fit is 400 and names the parameter', () => {
    expect(bad('colour=red')).toEqual([{ path: 'colour', message: 'is not a known parameter' }]);
    expect(bad('limit=101')).toEqual([{ path: 'limit', message: 'must be at most 100' }]);
    expect(bad('limit=')).toEqual([{ path: 'limit', message: 'must be a whole number' }]);
    expect(bad('createdAfter=2026-02-30T00:00:00Z')?.[0]?.path).toBe('createdAfter');
  });

  test('with a number that is not finite, or larger than can be kept exactly, is 400', () => {
    const counted = endpoint(
      { summary: '', query: Type.Object({ after: Type.Integer({ minimum: 0 }) }), status: 200, errors: [] },
      nothing,
    );
    expect(bad('limit=1e400')).toEqual([{ path: 'limit', message: 'is too large a number' }]);
    expect(bad('limit=-1e400')).toEqual([{ path: 'limit', message: 'is too large a number' }]);
    expect(bad('after=9007199254740993', compileRequestChecks(counted))?.[0]?.message).toBe('is too large a number');
    expect(compileRequestChecks(counted).readQuery('after=9007199254740991')).toEqual({ after: 9007199254740991 });
  });

  test('with a name twice, a list, or what is not percent-encoded UTF-8 is 400', () => {
    expect(bad('limit=1&limit=1')).toEqual([{ path: 'limit', message: 'is given twice' }]);
    expect(bad('limit[]=1')?.[0]?.message).toBe('is not a known parameter');
    expect(bad('status=%zz')).toEqual([{ path: '%zz', message: 'is not percent-encoded text' }]);
    expect(bad('status=%ff')?.[0]?.message).toBe('is not percent-encoded text');
    expect(bad('status=%00')?.[0]?.message).toBe('is not percent-encoded text');
  });

  test('of an endpoint that takes none is refused', () => {
    expect(bad('x=1', submit)).toEqual([{ path: 'x', message: 'is not a known parameter' }]);
    expect(submit.readQuery('')).toEqual({});
  });

  test('named like members of every object is no trap', () => {
    expect(Object.keys(parseQuery('__proto__=1&constructor=2'))).toEqual(['__proto__', 'constructor']);
    expect(bad('__proto__=1')?.[0]?.path).toBe('__proto__');
  });

  test('is judged even when it is empty where a parameter is required', () => {
    const needs: Endpoint = endpoint(
      { summary: '', query: Type.Object({ q: Type.String() }), status: 200, errors: [] },
      nothing,
    );
    expect(bad('', compileRequestChecks(needs))).toEqual([{ path: 'q', message: 'is required' }]);
  });
});

test('a path that no resource can have is 404, not 400: missing and impossible look alike', () => {
  const checks = compileRequestChecks(endpoint({ summary: '', params: UserParams, status: 200, errors: [] }, nothing));
  expect(checks.readParams({ externalId: 'team/42' })).toEqual({ externalId: 'team/42' });
  expect(refusal(() => checks.readParams({ externalId: 'a\u0000' })).code).toBe('NOT_FOUND');
  expect(refusal(() => checks.readParams({ externalId: 'x'.repeat(256) })).detail).toContain('at most 255 characters');
});

test.each([
  ['2026-01-31T09:30:00Z', true],
  ['2026-01-31T09:30:00.123+02:00', true],
  ['2024-02-29T00:00:00Z', true],
  ['2026-02-29T00:00:00Z', false],
  ['2100-02-29T00:00:00Z', false],
  ['2000-02-29T00:00:00Z', true],
  ['2016-12-31T23:59:60Z', false],
  ['0000-01-01T00:00:00Z', false],
  ['2026-01-31 09:30:00Z', false],
  ['2026-01-31T09:30:00', false],
  ['2026-01-31T24:00:00Z', false],
  ['2026-13-01T00:00:00Z', false],
  ['2026-01-31', false],
])('%s is a time that Date and PostgreSQL can hold: %s', (text, expected) => {
  expect(isTimestamp(text)).toBe(expected);
  if (expected) expect(Number.isNaN(Date.parse(text))).toBe(false);
});
