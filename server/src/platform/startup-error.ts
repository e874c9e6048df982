/** Why the program cannot start or go on, in one sentence for the person at the console: printed without a stack, exit code 1. */
export class StartupError extends Error {
  override name = 'StartupError';
}

/** The operating system's word for what went wrong (`ENOENT`, `EADDRINUSE` …), undefined for other errors. */
export function systemErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
