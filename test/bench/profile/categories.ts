import type { Profiler } from 'node:inspector';

type Node = Profiler.ProfileNode;

/** What a stack's innermost frame is counted under; the first that fits. */
const categories: readonly { readonly title: string; fits(name: string, url: string): boolean }[] = [
  { title: 'garbage collection', fits: (name) => name === '(garbage collector)' },
  { title: 'libuv and the kernel: waiting for events, reading, accepting', fits: (name) => name === '(program)' },
  { title: 'writing to sockets (kernel)', fits: (name, url) => url === '' && /^(write|writev|write[A-Z]\w*)$/.test(name) },
  { title: 'opening and closing sockets (kernel)', fits: (name, url) => url === '' && /^(connect\d*|close|shutdown|bind\d*|listen|setNoDelay|setKeepAlive|TCP|TCPConnectWrap|ShutdownWrap|WriteWrap|getpeername|getsockname|readStart|readStop)$/.test(name) },
  { title: 'codec: heads and bodies', fits: (_name, url) => url.includes('/proxy/codec/') || url.includes('/proxy/http2/') },
  { title: 'routing', fits: (_name, url) => url.includes('/routing/') },
  { title: 'telemetry: metrics, access log, ids', fits: (_name, url) => url.includes('/proxy/telemetry/') },
  { title: 'policies, balancing, settings', fits: (_name, url) => /\/proxy\/(retry|balancing|configuration)\//.test(url) },
  { title: 'timers', fits: (_name, url) => url.includes('/proxy/time/') || /node:(internal\/)?timers/.test(url) },
  { title: 'exchange and connections', fits: (_name, url) => /\/proxy\/|\/gateway\/|\/snapshot\//.test(url) },
  { title: "Node's sockets and streams", fits: (_name, url) => /node:(net|tls|_tls\w*|stream|events|internal\/(streams|stream_base|net|tls|js_stream|event)\w*)/.test(url) },
  { title: "Node's async hooks, ticks, buffers and the rest", fits: (_name, url) => url.startsWith('node:') },
  { title: 'built-in functions of V8', fits: () => true },
];

export interface Share {
  readonly title: string;
  /** Of the time that the thread was not idle. */
  readonly share: number;
}

export interface Summary {
  readonly categories: readonly Share[];
  /** Functions by their own time, without what they call. */
  readonly functions: readonly Share[];
}

export function summarize(profile: Profiler.Profile): Summary {
  const nodes = new Map<number, Node>(profile.nodes.map((node) => [node.id, node]));
  const byCategory = new Map<string, number>(categories.map(({ title }) => [title, 0]));
  const byFunction = new Map<string, number>();
  let total = 0;
  for (const [index, id] of (profile.samples ?? []).entries()) {
    const { functionName: name, url, lineNumber } = nodes.get(id)!.callFrame;
    if (name === '(idle)' || (name === 'post' && url === 'node:inspector')) continue;
    const took = Math.max(0, profile.timeDeltas?.[index] ?? 0);
    total += took;
    const { title } = categories.find(({ fits }) => fits(name, url))!;
    byCategory.set(title, (byCategory.get(title) ?? 0) + took);
    const label = labelOf(name, url, lineNumber);
    byFunction.set(label, (byFunction.get(label) ?? 0) + took);
  }
  return { categories: sharesOf(byCategory, total), functions: sharesOf(byFunction, total) };
}

function sharesOf(times: ReadonlyMap<string, number>, total: number): readonly Share[] {
  return [...times].map(([title, took]) => ({ title, share: took / total })).toSorted((a, b) => b.share - a.share);
}

function labelOf(name: string, url: string, line: number): string {
  const file = /(?:proxy|routing|snapshot|gateway)\/(?!.*\/node_modules\/).*$/.exec(url)?.[0] ?? url;
  return `\`${name === '' ? 'anonymous' : name}\`${file === '' ? '' : ` ${file}:${line + 1}`}`;
}
