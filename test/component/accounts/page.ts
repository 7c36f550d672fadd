/** A strict reader of Prometheus' text format, version 0.0.4: what it does not allow is thrown. */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Family {
  readonly name: string;
  type: string;
  readonly samples: Sample[];
}

const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([-+]?(?:[0-9.]+(?:e[-+]?[0-9]+)?|Inf)|NaN)$/;
const labelPair = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\["\\n])*)"(?:,|$)/y;

export function readPage(text: string): readonly Sample[] {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, Family>();
  let family: Family | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    if (line === '') continue;
    const about = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (about === null) {
      if (family === undefined || !line.startsWith(family.name)) throw new Error(`not among its family: ${line}`);
      family.samples.push(readSample(line));
    } else if (about[1] === 'HELP') {
      if (families.has(about[2]!)) throw new Error(`twice: ${line}`);
      families.set(about[2]!, (family = { name: about[2]!, type: '', samples: [] }));
    } else {
      if (family === undefined || family.name !== about[2] || family.type !== '' || family.samples.length > 0) throw new Error(`out of place: ${line}`);
      family.type = about[3]!;
    }
  }
  for (const each of families.values()) judge(each);
  return [...families.values()].flatMap(({ samples }) => samples);
}

/** What makes one series of a sample: all but its value. */
export function seriesOf({ name, labels }: Sample): string {
  return `${name} ${JSON.stringify(Object.entries(labels).toSorted())}`;
}

function readSample(line: string): Sample {
  const [, name, text = '', value] = sampleLine.exec(line) ?? [];
  if (name === undefined) throw new Error(`no sample: ${line}`);
  const labels: Record<string, string> = {};
  let end = 0;
  for (const pair of text.matchAll(new RegExp(labelPair, 'gy'))) {
    if (labels[pair[1]!] !== undefined) throw new Error(`a label twice: ${line}`);
    labels[pair[1]!] = pair[2]!.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
    end = pair.index + pair[0].length;
  }
  if (end !== text.length) throw new Error(`labels that can't be read: ${line}`);
  return { name, labels, value: value === '+Inf' ? Infinity : Number(value) };
}

function judge({ name, type, samples }: Family): void {
  const seen = new Set<string>();
  for (const sample of samples) {
    const series = seriesOf(sample);
    if (seen.has(series)) throw new Error(`twice: ${series}`);
    seen.add(series);
    if (type !== 'histogram' && sample.name !== name) throw new Error(`${sample.name} among ${name}`);
    if (type === 'counter' && !(sample.value >= 0)) throw new Error(`a counter of ${sample.value}: ${series}`);
  }
  if (type === 'histogram') judgeHistogram(name, samples);
  else if (type !== 'counter' && type !== 'gauge') throw new Error(`${name} is a ${type}`);
}

function judgeHistogram(name: string, samples: readonly Sample[]): void {
  const withoutBound = ({ labels, value }: Sample): string => seriesOf({ name, labels: Object.fromEntries(Object.entries(labels).filter(([label]) => label !== 'le')), value });
  for (const [series, all] of Map.groupBy(samples, withoutBound)) {
    const of = (suffix: string): readonly Sample[] => all.filter((sample) => sample.name === `${name}${suffix}`);
    const buckets = of('_bucket');
    const bounds = buckets.map(({ labels }) => (labels['le'] === '+Inf' ? Infinity : Number(labels['le'])));
    if (bounds.some((bound, index) => !(bound > (bounds[index - 1] ?? -Infinity)))) throw new Error(`bounds of ${series}: ${bounds.join(' ')}`);
    if (buckets.some(({ value }, index) => value < (buckets[index - 1]?.value ?? 0))) throw new Error(`buckets of ${series} fall`);
    const [count, sum] = [of('_count'), of('_sum')];
    if (bounds.at(-1) !== Infinity || count.length !== 1 || sum.length !== 1 || count[0]!.value !== buckets.at(-1)!.value) throw new Error(`${series} has no count, or another than its last bucket`);
    if (all.length !== buckets.length + 2) throw new Error(`${series} has what is no part of a histogram`);
  }
}
