import { escapeHtml, Html } from './html.ts';

/**
 * Renders the Markdown that descriptions are written in: paragraphs, lists with `-`, `code`, **strong** and [links](to) of this
 * host or over https. Everything else is text, and nothing in it becomes markup.
 */
export function markdown(source: string): Html {
  const blocks = source.trim().split(/\n\s*\n/);
  return new Html(blocks.map(block).join('\n'));
}

/** The same for one line, without a paragraph around it. */
export function inlineMarkdown(source: string): Html {
  return new Html(inline(source));
}

function block(text: string): string {
  const lines = text.split('\n');
  const items = lines.filter((line) => line.startsWith('- '));
  if (items.length !== lines.length) return `<p>${inline(lines.join(' '))}</p>`;
  return `<ul>${items.map((item) => `<li>${inline(item.slice(2))}</li>`).join('')}</ul>`;
}

function inline(text: string): string {
  // Code first: what stands between backticks is shown as it is. Odd pieces are the code.
  return text
    .split(/`([^`]+)`/)
    .map((piece, index) => (index % 2 === 1 ? `<code>${escapeHtml(piece)}</code>` : emphasis(escapeHtml(piece))))
    .join('');
}

function emphasis(escaped: string): string {
  return escaped
    .replaceAll(/\*\*([^*]+)\*\*/g, '<strong>$1</strong>')
    .replaceAll(/\[([^\]]+)\]\(((?:https:\/\/|\/|#)[^)\s]*)\)/g, '<a href="$2">$1</a>');
}
