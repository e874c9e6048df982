import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig, type Variables } from '../../src/config.ts';

const ROOT = join(import.meta.dirname, '../../..');
const textOf = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** The variables that a page has a row for. */
const rowsOf = (page: string) =>
  [...page.matchAll(/^\| `([A-Z_]+)`(?:, `([A-Z_]+)`)?/gm)].flatMap(([, first, second]) => [first, second]);
const sorted = (names: Iterable<string | undefined>) => [...new Set(names)].filter((name) => name !== undefined).sort();

/** What is asked for, whatever becomes of it. */
function namesReadBy(read: (variables: Variables) => unknown): string[] {
  const names: string[] = [];
  const get = (_: object, name: string | symbol) => {
    names.push(String(name));
    return undefined;
  };
  read(new Proxy({}, { get }));
  return names;
}

/** What tests hand on to the programs that they start. */
const OF_THE_SYSTEM = ['PATH', 'HOME'];

/** Variables that the files of a folder take by name: `const { SIR_… } = …`. */
function namesTakenIn(folder: string): string[] {
  const files = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' });
  const sources = files.filter((file) => file.endsWith('.ts')).map((file) => textOf(join(folder, file)));
  return sources.flatMap((source) =>
    [...source.matchAll(/const \{([^}]*)\} = (?:[\w.]+\.variables|processVariables\(\));/g)].flatMap(
      ([, members = '']) => (members.match(/\b[A-Z][A-Z_]+\b/g) ?? []).filter((name) => !OF_THE_SYSTEM.includes(name)),
    ),
  );
}

test('the configuration page has a row for every variable that is read, and for no other', () => {
  const read = sorted([...namesReadBy(loadConfig), ...namesTakenIn('server/src')]);
  expect(read).toEqual(expect.arrayContaining(['PORT', 'SIR_REQUEST_LOG', 'SIR_NEW_MASTER_KEY']));
  expect(sorted(rowsOf(textOf('docs/configuration.md')))).toEqual(read);
});

test('the README has rows only for variables that there are', () => {
  const rows = sorted(rowsOf(textOf('README.md')));
  expect(rows).toContain('DATABASE_URL');
  expect(sorted(rowsOf(textOf('docs/configuration.md')))).toEqual(expect.arrayContaining(rows));
});

test('CONTRIBUTING has a row for every variable that only tests read, and for no other', () => {
  const taken = sorted(namesTakenIn('server/test'));
  expect(taken).toContain('SIR_FUZZ_SEED');
  expect(sorted(rowsOf(textOf('CONTRIBUTING.md')))).toEqual(taken);
});
