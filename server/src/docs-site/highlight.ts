import { escapeHtml, Html } from './html.ts';

const JSON_TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|\b(true|false|null)\b/g;

/** Formatted JSON with its names, texts and numbers marked. */
export function highlightJson(value: unknown): Html {
  const source = JSON.stringify(value, null, 2);
  return marked(source, JSON_TOKEN, ([, text, colon, number, word]) => {
    if (text !== undefined) return colon === undefined ? span('text', text) : span('name', text) + colon;
    if (number !== undefined) return span('number', number);
    return span('word', word ?? '');
  });
}

// A comment, a text in quotes, or a variable; in this order, since each may hold what comes after it.
const SHELL_TOKEN = /(^|\s)(#[^\n]*)|('[^']*'|"(?:[^"\\]|\\.)*")|(\$\w+)/g;

/** A shell script with its comments, texts and variables marked. */
export function highlightShell(source: string): Html {
  return marked(source, SHELL_TOKEN, ([, before, comment, text, variable]) => {
    if (comment !== undefined) return (before ?? '') + span('comment', comment);
    if (text !== undefined) return span('text', text);
    return span('name', variable ?? '');
  });
}

const SCRIPT_TOKEN =
  /(\/\/[^\n]*)|('(?:[^'\\]|\\.)*'|`[^`]*`)|\b(import|from|export|const|function|return|if|await|async|true|false|null|new)\b|\b(\d+)\b/g;

/** A script with its comments, texts, words of the language and numbers marked. */
export function highlightScript(source: string): Html {
  return marked(source, SCRIPT_TOKEN, ([, comment, text, word, number]) => {
    if (comment !== undefined) return span('comment', comment);
    if (text !== undefined) return span('text', text);
    return word === undefined ? span('number', number ?? '') : span('word', word);
  });
}

function marked(source: string, token: RegExp, mark: (match: RegExpMatchArray) => string): Html {
  let result = '';
  let end = 0;
  for (const match of source.matchAll(token)) {
    result += escapeHtml(source.slice(end, match.index)) + mark(match);
    end = match.index + match[0].length;
  }
  return new Html(result + escapeHtml(source.slice(end)));
}

function span(kind: string, text: string): string {
  return `<span class="t-${kind}">${escapeHtml(text)}</span>`;
}
