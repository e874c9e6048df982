import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { test } from 'vitest';

/** The first of these programs that is on the PATH, with its place; undefined when none is. */
export function findProgram(...names: string[]): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.flatMap((folder) => names.map((name) => join(folder, name))).find(isExecutable);
}

/**
 * `test` for what needs programs from outside npm. Without one of them the test is skipped, and its name says what was missing; with
 * `CI=true` it fails instead, since nobody looks at skipped tests there.
 */
export function testWithTools(tools: Record<string, string | undefined>) {
  const missing = Object.keys(tools).filter((name) => tools[name] === undefined);
  return (name: string, body: () => Promise<void>, timeoutMilliseconds?: number): void => {
    if (missing.length === 0) {
      test(name, body, timeoutMilliseconds);
    } else if (process.env.CI === 'true') {
      test(name, () => {
        throw new Error(`this test needs ${missing.join(', ')}`);
      });
    } else {
      test.skip(`${name} (skipped: needs ${missing.join(', ')})`);
    }
  };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
