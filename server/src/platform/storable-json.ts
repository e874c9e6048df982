// A pair of backslashes stands for one, so that what follows it is plain text; the other escapes are the ones that JSON.stringify makes.
const UNSTORABLE = /\\\\|\\u(?:0000|d[89a-f][0-9a-f]{2})/g;

/**
 * JSON text that PostgreSQL takes, for what callers sent and nobody has judged: NUL and halves of surrogate pairs, which JSON can
 * write and `json` refuses (also those made by cutting a text), become U+FFFD.
 */
export function storableJson(value: unknown): string {
  return storableText(JSON.stringify(value));
}

/** The same for what JSON.stringify has made already. */
export function storableText(json: string): string {
  if (!json.includes('\\u')) return json;
  return json.replace(UNSTORABLE, (found) => (found === '\\\\' ? found : '\ufffd'));
}
