/** Text that is markup already. Everything else that goes into a template is escaped. */
export class Html {
  constructor(readonly text: string) {}
}

type Piece = Html | string | number | false | undefined | readonly Piece[];

/** A template whose values are escaped; nothing is written for `undefined` and `false`, arrays are joined. */
export function html(strings: TemplateStringsArray, ...values: Piece[]): Html {
  let text = '';
  strings.forEach((part, index) => {
    text += part + (index < values.length ? write(values[index]) : '');
  });
  return new Html(text);
}

export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

function write(value: Piece): string {
  if (value === undefined || value === false) return '';
  if (value instanceof Html) return value.text;
  if (typeof value === 'string' || typeof value === 'number') return escapeHtml(String(value));
  return value.map(write).join('');
}
