import { environments } from '@sirgiving/contract';
import { InvalidArgumentError, Option } from 'commander';

/** `--json`: the result as one JSON object on standard output. */
export const jsonOption = (): Option => new Option('--json', 'print the result as JSON');

/** `--environment`: whose data; left out, that of SIR_ENVIRONMENT where the description does not say otherwise. */
export const environmentOption = (
  description = 'sandbox or production (default: SIR_ENVIRONMENT, else sandbox)',
): Option => new Option('--environment <name>', description).choices([...environments]);

/** `--as`: in whose name something is changed. */
export const asOption = (description = 'the admin who gives the command: needed for production data'): Option =>
  new Option('--as <email>', description);

/** `--reason`: what the audit log keeps. */
export const reasonOption = (): Option => new Option('--reason <text>', 'why: it stands in the audit log');

/** Reads a whole number of tokens above 0. */
export function parseTokens(text: string): number {
  const tokens = Number(text);
  if (!/^[0-9]{1,16}$/.test(text) || tokens === 0 || !Number.isSafeInteger(tokens)) {
    throw new InvalidArgumentError('It must be a whole number of tokens above 0.');
  }
  return tokens;
}

/** Reads a name that is not blank. */
export function parseName(text: string): string {
  const name = text.trim();
  if (name === '' || name.length > 200 || /[\u0000-\u001f\u007f]/.test(name)) {
    throw new InvalidArgumentError('It must have 1 to 200 characters, and no control characters.');
  }
  return name;
}

/** The help text's last part. */
export function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ sir-server ${line}`).join('\n')}`;
}
