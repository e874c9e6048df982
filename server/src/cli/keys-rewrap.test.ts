import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { callAsDemo, readDemoCredentials, ServerProcess } from '../../test/server-process.ts';
import { processVariables } from '../config.ts';
import { connect } from '../platform/db.ts';
import { removeEmbeddedPostgres, runningEmbeddedPostgresUrl } from '../platform/embedded-postgres/index.ts';
import { createSecretBox } from '../platform/secret-box.ts';
import { sealedColumns } from './rewrap-secrets.ts';

// Each start of a server takes its time on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const PROGRAM = fileURLToPath(new URL('../../bin/sir-server.mjs', import.meta.url));
const HEADER_BYTES = 5;

let dataDir: string;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'sir-rewrap-'));
});
afterAll(async () => {
  await removeEmbeddedPostgres(dataDir);
  await rm(dataDir, { recursive: true, force: true });
});

const newKey = () => randomBytes(32).toString('hex');
const keyFile = async () => (await readFile(join(dataDir, 'master.key'), 'utf8')).trim();
const keyFiles = async () => (await readdir(dataDir)).filter((name) => name.startsWith('master')).sort();

/** `sir-server keys rewrap` as a process of its own, killed at a failpoint where one is named. */
function rewrap(key: string, failpoint = ''): Promise<{ status: unknown; stdout: string }> {
  const { PATH = '', HOME = '' } = processVariables();
  const env = { PATH, HOME, SIR_DATA_DIR: dataDir, SIR_NEW_MASTER_KEY: key, SIR_FAILPOINT: failpoint };
  return new Promise((resolve) => {
    execFile(process.execPath, [PROGRAM, 'keys', 'rewrap', '--json'], { env }, (error, stdout) =>
      resolve({ status: error === null ? 0 : (error.signal ?? error.code), stdout }),
    );
  });
}

/** Starts a server, uses it as the demo partner, and answers how many secrets the key of the data folder has sealed. */
async function useServer(): Promise<number> {
  const server = new ServerProcess({ SIR_DATA_DIR: dataDir });
  try {
    await server.ready();
    const url = 'http://127.0.0.1:9/';
    const webhook = { url, description: 'x', eventTypes: ['action.completed'], headers: { 'x-route': 'a secret' } };
    const credentials = await readDemoCredentials(dataDir);
    // The signature is verified with a secret that has to be opened, and new ones are sealed.
    expect((await callAsDemo(credentials, 'POST', '/v1/partner/webhooks', webhook)).status).toBe(201);
    return await countSealed(await keyFile());
  } finally {
    expect(await server.stop()).toMatchObject({ status: 0 });
  }
}

/** Fails where a secret is sealed with another key. */
async function countSealed(key: string): Promise<number> {
  const place = { purpose: 'mail', environment: 'both', rowId: '' } as const;
  const header = createSecretBox(key).seal(place, '').subarray(0, HEADER_BYTES);
  const sql = connect((await runningEmbeddedPostgresUrl(dataDir)) ?? '', { max: 1, applicationName: 'sir-test' });
  try {
    let all = 0;
    for (const { table, column } of sealedColumns) {
      const [row] = await sql<{ all: number; own: number }[]>`
        select count(${sql(column)}) as all, count(*) filter (where substring(${sql(column)} for ${HEADER_BYTES}) = ${header}) as own
        from ${sql(table)}`;
      expect(row?.own, `${table}.${column}`).toBe(row?.all);
      all += row?.all ?? 0;
    }
    return all;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

test('a rewrap on the embedded database that is killed at any moment loses nothing, and the next start reads every secret', async () => {
  let sealed = await useServer();
  const first = await keyFile();
  expect(sealed).toBeGreaterThan(2);

  // Everything was sealed anew, and nothing of it came to stay.
  expect(await rewrap(newKey(), 'rewrap_before_commit')).toMatchObject({ status: 'SIGKILL' });
  expect(await keyFiles()).toEqual(['master.key', 'master.key.new']);
  expect(await keyFile()).toBe(first);
  expect(await useServer()).toBeGreaterThan(sealed);
  expect(await keyFile()).toBe(first);

  // It came to stay, and the file still holds the old key: the next start, or the next command, puts the new one in its place.
  const [second, third, fourth] = [newKey(), newKey(), newKey()];
  expect(await rewrap(second, 'rewrap_after_commit')).toMatchObject({ status: 'SIGKILL' });
  expect(await keyFile()).toBe(first);
  sealed = await useServer();
  expect(await keyFile()).toBe(second);
  expect(await rewrap(third, 'rewrap_after_commit')).toMatchObject({ status: 'SIGKILL' });
  const done = await rewrap(fourth);
  expect(done).toMatchObject({ status: 0 });
  expect(JSON.parse(done.stdout)).toHaveProperty('rewrapped', sealed);

  expect(await keyFiles()).toEqual(['master.key']);
  expect(await keyFile()).toBe(fourth);
  expect(await useServer()).toBeGreaterThan(sealed);
});
