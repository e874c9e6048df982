import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DemoCredentials, seedDemo } from './partners/index.ts';
import { writePrivateFile } from './platform/data-folder.ts';
import { StartupError, systemErrorCode } from './platform/startup-error.ts';

/** `credentials.json`: what a newcomer, the documentation's examples and the paste block read. */
export interface CredentialsFile extends DemoCredentials {
  baseUrl: string;
}

/**
 * Sees to it that the demo partner exists and that its credentials stand in the data folder, mode 600. They are made anew when the file
 * is lost; the base URL follows the port. Answers the file's path.
 */
export async function keepDemoCredentials(
  deps: Parameters<typeof seedDemo>[0],
  dataDir: string,
  baseUrl: string,
): Promise<string> {
  const path = join(dataDir, 'credentials.json');
  // With DATABASE_URL nothing else has made the folder.
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const kept = await readCredentials(path);
  const issued = await seedDemo(deps, { keptPublicKey: kept?.publicKey });
  const credentials = issued ?? kept;
  if (credentials === undefined) throw new Error('the demo partner has no credentials');
  if (issued !== undefined || kept?.baseUrl !== baseUrl) {
    const file: CredentialsFile = { baseUrl, ...withoutBaseUrl(credentials) };
    await writePrivateFile(path, `${JSON.stringify(file, null, 2)}\n`);
  }
  return path;
}

function withoutBaseUrl(credentials: DemoCredentials & { baseUrl?: string }): DemoCredentials {
  const { baseUrl: _, ...rest } = credentials;
  return rest;
}

async function readCredentials(path: string): Promise<CredentialsFile | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    if (error instanceof SyntaxError)
      throw new StartupError(`${path} is damaged: delete it, and new credentials are made.`);
    throw error;
  }
}
