import type { Command } from 'commander';
import { formatPath } from '#crds';
import { untimelyCertificates } from '#controller';
import type { CliEnvironment } from './environment.ts';
import { loadQuietly, type Loaded, type Source } from './load.ts';
import { failWith, outputOption, pathsOption, sourceOptions } from './options.ts';
import { nameOf, printable } from './table.ts';

/** One finding, wherever it was made. */
interface Finding {
  readonly severity: 'error' | 'warning';
  readonly file: string | undefined;
  readonly line: number | undefined;
  readonly column: number | undefined;
  readonly object: { readonly apiVersion: string; readonly kind: string; readonly namespace: string; readonly name: string } | undefined;
  readonly path: readonly (string | number)[];
  readonly reason: string;
  readonly message: string;
}

/** `weft analyze`: every problem and warning, by file and line. Exit status 1 where there is a problem. */
export function register(program: Command, environment: CliEnvironment): void {
  const command = program.command('analyze').description('List every problem and warning: in manifests with file, line and column, in a cluster with the field');
  sourceOptions(command, pathsOption())
    .addOption(outputOption())
    .action(async (options: Source & { readonly output?: 'json' }) => {
      try {
        const loaded = await loadQuietly(options, environment);
        for (const note of loaded.notes) environment.err(printable(`note: ${note}\n`));
        const findings = findingsOf(loaded, environment.now());
        if (options.output === 'json') environment.out(`${JSON.stringify({ problems: findings, ignored: loaded.ignored }, null, 2)}\n`);
        else environment.out(printable(findingsText(findings, loaded)));
        environment.exitStatus(findings.some(({ severity }) => severity === 'error') ? 1 : 0);
      } catch (error) {
        failWith(error, environment);
      }
    });
}

function findingsOf({ state, problems, unreadable, translation }: Loaded, now: number): readonly Finding[] {
  const unread = problems.map(({ source, object, path, reason, message }): Finding => ({ severity: 'error', ...source, object, path, reason, message }));
  const understood = [...unreadable, ...translation.problems, ...untimelyCertificates(state, translation.snapshots, now)].map(({ severity, source, object, path, reason, message }): Finding => ({
    severity, file: source?.file, line: source?.line, column: source?.column, object, path, reason, message,
  }));
  return [...unread, ...understood].toSorted((a, b) => (a.file ?? '').localeCompare(b.file ?? '') || (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}

function findingsText(findings: readonly Finding[], { ignored, objects }: Loaded): string {
  const lines = findings.map(({ severity, file, line, column, object, path, reason, message }) => {
    const where = file === undefined ? '' : `${file}:${line}:${column}: `;
    const field = file === undefined && path.length > 0 ? `${formatPath(path)}: ` : '';
    // What was found while reading names the object itself, as far as it has a name.
    const title = object === undefined || object.name === '' ? '' : [object.kind, nameOf(object)].filter((part) => part !== '').join(' ');
    const subject = title === '' || message.startsWith(title) ? '' : `${title}: `;
    return `${where}${severity}: ${subject}${field}${message} [${reason}]`;
  });
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const kinds = new Map<string, number>();
  for (const { kind, apiVersion } of ignored) kinds.set(`${kind} (${apiVersion})`, (kinds.get(`${kind} (${apiVersion})`) ?? 0) + 1);
  if (kinds.size > 0) lines.push(`not read, as they mean nothing to Weft: ${[...kinds].map(([kind, count]) => `${count} ${kind}`).join(', ')}`);
  lines.push(findings.length === 0 ? `no problems in ${count(objects, 'object')}` : `${count(errors, 'problem')}, ${count(findings.length - errors, 'warning')}`);
  return `${lines.join('\n')}\n`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
