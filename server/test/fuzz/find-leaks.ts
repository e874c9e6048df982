import type { Sql } from '../../src/platform/db.ts';

/** A secret and where it stands: `hmacSecret as base64`. */
export type Leak = string;

/**
 * Which of the secrets stand in a text: as they are, as hex, base64 (also in the midst of something longer, and of the bytes that a
 * hex secret is written from), URL-encoded or JSON-escaped; upper and lower case of hex alike.
 */
export function leaksIn(text: string, secrets: Readonly<Record<string, string>>): Leak[] {
  const lower = text.toLowerCase();
  return Object.entries(secrets).flatMap(([name, secret]) =>
    formsOf(secret)
      .filter(({ written, anyCase }) => (anyCase ? lower.includes(written.toLowerCase()) : text.includes(written)))
      .map(({ form }) => `${name} as ${form}`),
  );
}

interface Form {
  form: string;
  written: string;
  /** Whether capitals make no difference, as in hex. */
  anyCase: boolean;
}

function formsOf(secret: string): Form[] {
  const bytes = Buffer.from(secret);
  const hex = bytes.toString('hex');
  // Behind a prefix such as `sk_test_` stand 64 hex digits: the key itself.
  const digits = /[0-9a-f]{64}$/.exec(secret)?.[0];
  const percentEncoded = hex.replaceAll(/../g, '%$&');
  const escaped = hex.replaceAll(/../g, '\\u00$&');
  return [
    { form: 'it is', written: secret, anyCase: true },
    { form: 'hex', written: hex, anyCase: true },
    ...base64Forms(bytes).map((written) => ({ form: 'base64', written, anyCase: false })),
    { form: 'URL-encoded', written: encodeURIComponent(secret), anyCase: true },
    { form: 'URL-encoded', written: percentEncoded, anyCase: true },
    { form: 'JSON-escaped', written: escaped, anyCase: true },
    ...(digits === undefined
      ? []
      : [
          { form: 'its digits', written: digits, anyCase: true },
          ...base64Forms(Buffer.from(digits, 'hex')).map((written) => ({
            form: 'base64 of its bytes',
            written,
            anyCase: false,
          })),
        ]),
  ].filter(({ written }, index, all) => all.findIndex((one) => one.written === written) === index);
}

/** In base64 a text looks one of three ways, by where it begins; its first and last characters hang on what stands around it. */
function base64Forms(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((shift) => {
    const encoded = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replaceAll('=', '');
    const whole = encoded.slice(Math.ceil((shift * 4) / 3), (bytes.length + shift) % 3 === 0 ? undefined : -1);
    return [whole, whole.replaceAll('+', '-').replaceAll('/', '_')];
  });
}

/** Every row of every table as text, bytes as hex. */
export async function dumpOf(sql: Sql): Promise<string> {
  const tables = await sql<{ name: string }[]>`
    select format('%I', tablename) as name from pg_tables where schemaname = 'public' order by tablename`;
  const dumped: string[] = [];
  for (const { name } of tables) {
    const rows = await sql.unsafe<{ text: string }[]>(`select t::text as text from ${name} t`);
    dumped.push(`-- ${name}`, ...rows.map(({ text }) => text));
  }
  return dumped.join('\n');
}
