import { runCli } from './cli/run-cli.ts';
import { processVariables } from './config.ts';

// The exit code is set and not forced, so that everything written is seen also by a pipe that reads slowly.
process.exitCode = await runCli(process.argv.slice(2), {
  variables: processVariables(),
  output: process.stdout,
  notes: process.stderr,
});
