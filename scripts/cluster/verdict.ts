/**
 * Judges a run of the conformance suite: `verdict.ts REPORT LOG FOLDER [--keep]`. Fails where a test failed or was skipped, where a test
 * that is listed in the folder did not pass, or where a profile has fewer results than the report kept there.
 */
import { readFileSync, writeFileSync, existsSync } from 'node:fs';
import { parse } from 'yaml';

interface Part {
  readonly statistics: { readonly Passed: number; readonly Failed: number; readonly Skipped: number };
  readonly supportedFeatures?: readonly string[];
  readonly unsupportedFeatures?: readonly string[];
}

interface Profile {
  readonly name: string;
  readonly core: Part;
  readonly extended?: Part;
}

interface Report {
  readonly profiles: readonly Profile[];
}

const [reportFile = '', logFile = '', folder = '', flag] = process.argv.slice(2);
const keptReport = `${folder}/report.yaml`;
const keptTests = `${folder}/tests.txt`;
const faults: string[] = [];

const results = new Map<string, Set<string>>([['PASS', new Set()], ['FAIL', new Set()], ['SKIP', new Set()]]);
// Top-level tests only: one line for each, whatever its parts.
for (const [, result = '', name = ''] of readFileSync(logFile, 'utf8').matchAll(/^ {4}--- (PASS|FAIL|SKIP): TestConformance\/([^/ ]+) /gm)) results.get(result)?.add(name);
const [passed, failed, skipped] = ['PASS', 'FAIL', 'SKIP'].map((result) => [...results.get(result)!].sort()) as [string[], string[], string[]];
if (passed.length === 0) faults.push('no test passed: did the suite run?');
for (const name of failed) faults.push(`failed: ${name}`);
for (const name of skipped) faults.push(`skipped: ${name}`);

if (!existsSync(reportFile)) faults.push('the suite wrote no report');
else {
  const text = readFileSync(reportFile, 'utf8');
  const { profiles } = parse(text) as Report;
  for (const profile of profiles) process.stdout.write(`${describe(profile)}\n`);
  if (flag === '--keep' && faults.length === 0) {
    writeFileSync(keptReport, text);
    writeFileSync(keptTests, `${passed.join('\n')}\n`);
  }
  compare(profiles);
}

for (const fault of faults) process.stdout.write(`${fault}\n`);
process.stdout.write(`${passed.length} passed, ${failed.length} failed, ${skipped.length} skipped\n`);
process.exitCode = faults.length === 0 ? 0 : 1;

function compare(profiles: readonly Profile[]): void {
  const now = new Set(passed);
  for (const name of readFileSync(keptTests, 'utf8').split('\n')) if (name !== '' && !now.has(name)) faults.push(`passed before, not now: ${name}`);
  for (const before of (parse(readFileSync(keptReport, 'utf8')) as Report).profiles) {
    const after = profiles.find(({ name }) => name === before.name);
    for (const part of ['core', 'extended'] as const) {
      const fewer = (after?.[part]?.statistics.Passed ?? 0) < (before[part]?.statistics.Passed ?? 0);
      if (fewer) faults.push(`${before.name} ${part}: ${after?.[part]?.statistics.Passed ?? 0} passed, before ${before[part]?.statistics.Passed}`);
    }
  }
}

function describe({ name, core, extended }: Profile): string {
  const parts = [`${name}: core ${total(core)}`];
  if (extended !== undefined) {
    const features = extended.supportedFeatures?.length ?? 0;
    parts.push(`extended ${total(extended)}`, `features ${features} of ${features + (extended.unsupportedFeatures?.length ?? 0)}`);
  }
  return parts.join(', ');
}

function total({ statistics: { Passed, Failed, Skipped } }: Part): string {
  return `${Passed} of ${Passed + Failed + Skipped}`;
}
