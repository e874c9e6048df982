import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { connect as connectSocket, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { firstReward } from '../../src/announce.ts';
import { removeEmbeddedPostgres } from '../../src/platform/embedded-postgres/index.ts';
import { readNote } from '../../src/platform/embedded-postgres/placement.ts';
import { findPostmaster, type Postmaster } from '../../src/platform/embedded-postgres/postmaster.ts';
import { findProgram, testWithTools } from '../needed-tool.ts';
import { callAsDemo, readDemoCredentials, ServerProcess } from '../server-process.ts';

const run = promisify(execFile);

// Each test starts servers; on a busy machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });

let parent: string;
/** Has had a first start; most tests only need the next one. */
let initialised: string;
/** What the test at hand starts on. */
let dataDir: string;
const processes: ServerProcess[] = [];

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'sir-start-'));
  initialised = join(parent, "Jane's data");
  const server = new ServerProcess({ SIR_DATA_DIR: initialised });
  await server.ready();
  await server.stop();
});
beforeEach(() => {
  dataDir = initialised;
});
afterEach(async () => {
  await Promise.all(processes.splice(0).map((server) => server.stop()));
});
afterAll(async () => {
  for (const name of await readdir(parent)) await removeEmbeddedPostgres(join(parent, name));
  await rm(parent, { recursive: true, force: true });
});

function start(variables: Readonly<Record<string, string>> = {}): ServerProcess {
  const server = new ServerProcess({ SIR_DATA_DIR: dataDir, ...variables });
  processes.push(server);
  return server;
}

async function postmaster(): Promise<Postmaster | undefined> {
  return findPostmaster((await readNote(dataDir))?.clusterFolder ?? '');
}

async function modeOf(...path: string[]): Promise<string> {
  return ((await stat(join(dataDir, ...path))).mode & 0o777).toString(8);
}

/** One clear sentence on stderr, exit code 1, no stack. */
async function expectRefusal(server: ServerProcess, sentence: RegExp): Promise<void> {
  const { status, stderr } = await server.exited;
  expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(sentence) });
  expect(stderr).toMatch(/^[^\n]+\.\n$/);
}

test('a first start serves a demo partner, a second finds what it did, and both end without a trace', async () => {
  dataDir = join(parent, 'first');
  const first = start();
  const baseUrl = await first.ready();
  expect([await modeOf(), await modeOf('credentials.json'), await modeOf('master.key')]).toEqual(['700', '600', '600']);
  const credentials = await readDemoCredentials(dataDir);
  expect(credentials).toMatchObject({ baseUrl, environment: 'sandbox', partner: { slug: 'demo-partner' } });
  // What is printed may be seen over a shoulder or kept by a terminal.
  for (const secret of [credentials.secretKey, credentials.hmacSecret]) expect(first.output).not.toContain(secret);
  const loggedIn = await fetch(`${baseUrl}/v1/partner/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(credentials.portal),
  });
  expect(await loggedIn.json()).toMatchObject({ partner: { slug: 'demo-partner' } });
  const created = await callAsDemo(credentials, 'POST', '/v1/partner/users', { externalUserId: 'jane' });
  expect(created.status).toBe(201);
  expect(await first.stop()).toMatchObject({ status: 0, stderr: '' });
  expect(await postmaster()).toBeUndefined();

  const second = start();
  const newBaseUrl = await second.ready();
  const kept = await readDemoCredentials(dataDir);
  expect(kept).toEqual({ ...credentials, baseUrl: newBaseUrl });
  expect(await callAsDemo(kept, 'GET', '/v1/partner/users/jane')).toMatchObject({ status: 200, body: created.body });
  second.signal('SIGTERM');
  expect(await second.exited).toMatchObject({ status: 0, stderr: '' });
});

const pasteTools = { openssl: findProgram('openssl'), curl: findProgram('curl') };
for (const shell of ['bash', 'zsh']) {
  testWithTools({ ...pasteTools, [shell]: findProgram(shell) })(
    `the printed block rewards an action when it is pasted into ${shell}`,
    async () => {
      const server = start();
      await server.ready();
      const block = firstReward(join(dataDir, 'credentials.json'));
      expect(server.output).toContain(block);
      const { stdout, stderr } = await run(shell, ['-c', block]);
      expect(stderr).toBe('');
      const [user, action, balance] = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(user).toMatchObject({ id: expect.stringMatching(/^usr_/), firstName: 'Jane' });
      expect(action).toMatchObject({ status: 'COMPLETED', tokensDistributed: 50 });
      expect(balance).toMatchObject({ externalUserId: user.externalUserId, available: 50 });
    },
  );
}

test('after kill -9 of the whole process group the next start adopts the database with everything in it', async () => {
  const first = start();
  await first.ready();
  const credentials = await readDemoCredentials(dataDir);
  await callAsDemo(credentials, 'POST', '/v1/partner/users', { externalUserId: 'joe' });
  await first.killGroup();
  const leftOver = await postmaster();
  expect(leftOver).toBeDefined();

  const second = start();
  await second.ready();
  expect(await postmaster()).toEqual(leftOver);
  const answer = await callAsDemo(await readDemoCredentials(dataDir), 'GET', '/v1/partner/users/joe');
  expect(answer.status).toBe(200);
  expect(await second.stop()).toMatchObject({ status: 0 });
  expect(await postmaster()).toBeUndefined();
});

test('a data folder in use and a taken port are refused in one sentence, and the running server goes on', async () => {
  const running = start();
  const baseUrl = await running.ready();
  await expectRefusal(
    start(),
    new RegExp(`^The data folder .* is in use by process ${running.pid}: stop that one, or`),
  );
  const other = start({ SIR_DATA_DIR: join(parent, 'other'), PORT: new URL(baseUrl).port });
  await expectRefusal(other, /^Port \d+ of 127\.0\.0\.1 is taken: stop what uses it, or set PORT to another\.$/m);
  expect((await fetch(`${baseUrl}/readyz`)).status).toBe(200);
});

test('a database out of reach, a bad variable and a folder that cannot be are refused in one sentence', async () => {
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const address = closed.address();
  closed.close();
  const port = typeof address === 'object' && address !== null ? address.port : 1;
  const nowhere = { DATABASE_URL: `postgres://sir:hidden@127.0.0.1:${port}/sir`, SIR_MASTER_KEY: 'a'.repeat(64) };
  await Promise.all([
    expectRefusal(
      start(nowhere),
      /^The database at 127\.0\.0\.1:\d+ cannot be used: nothing listens there \(ECONNREFUSED\)\.$/m,
    ),
    expectRefusal(
      start({ SIR_ENVIRONMENT: 'staging' }),
      /^SIR_ENVIRONMENT must be one of sandbox, production, not "staging"\.$/m,
    ),
    expectRefusal(start({ SIR_DATA_DIR: '/dev/null/data' }), /^The data folder \/dev\/null\/data cannot be used/),
  ]);
});

test('a start that is interrupted leaves nothing running, and the next one works', async () => {
  dataDir = join(parent, 'interrupted');
  const interrupted = start();
  await interrupted.says('Creating the database');
  expect(await interrupted.stop()).toMatchObject({ status: 0, stderr: '' });
  expect(await postmaster()).toBeUndefined();
  await start().ready();
});

test('a first Ctrl-C waits for what is under way, though npm passes it on twice; a later second one does not', async () => {
  const server = start();
  const baseUrl = await server.ready();
  // A request whose body never ends keeps the server waiting.
  const socket = connectSocket(Number(new URL(baseUrl).port), '127.0.0.1');
  socket.on('error', () => {});
  socket.write(
    'POST /v1/partner/users HTTP/1.1\r\nhost: sir\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{',
  );
  await sleep(100);
  server.signal('SIGINT');
  server.signal('SIGINT');
  await sleep(700);
  expect(await Promise.race([server.exited, 'still draining'])).toBe('still draining');
  server.signal('SIGINT');
  expect(await server.exited).toMatchObject({ status: 130 });
  socket.destroy();
});
