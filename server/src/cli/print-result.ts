/** What a command has to show: its members for programs, the lines for people. */
export interface Result {
  json: Record<string, unknown>;
  text: string;
}

/** Writes a result to where results go. */
export function printResult(output: NodeJS.WritableStream, result: Result, asJson: boolean | undefined): void {
  output.write(asJson === true ? `${JSON.stringify(result.json)}\n` : `${result.text}\n`);
}

/** Names and values, one a line, the values beneath each other. */
export function listValues(values: Record<string, string>): string {
  const width = Math.max(...Object.keys(values).map((name) => name.length));
  return Object.entries(values)
    .map(([name, value]) => `  ${name.padEnd(width)}  ${value}`)
    .join('\n');
}
