import type { CostResult } from '../rows/types.ts';
import { median, ratios, spread } from '../statistics.ts';
import type { TargetName } from '../targets/types.ts';

/** What the rows of handshakes say beside each other: resumed against full, and what `node:tls` costs without any of Weft. */
export function handshakeLines(results: readonly CostResult[]): readonly string[] {
  const micros = (id: string, name: TargetName): readonly number[] => (results.find(({ row }) => row.id === id)?.samples.get(name) ?? []).map(({ us }) => us);
  const line = (text: string, ours: readonly number[], theirs: readonly number[]): readonly string[] => {
    const measured = ratios(ours, theirs);
    return measured.length === 0 ? [] : [`- ${text}: ${median(measured).toFixed(2)} × (${spread(measured, 2)}).`];
  };
  const floors = (['handshake', 'handshake-ticket'] as const).flatMap((id) => {
    const floor = micros(id, 'node:tls');
    const kind = id === 'handshake' ? 'a full handshake' : 'one with a ticket';
    return floor.length === 0 ? [] : [`- \`node:tls\` alone, a fixed answer and nothing behind it, ${kind}: ${median(floor).toFixed(1)} (${spread(floor, 1)}) µs.`, ...line('… beside Envoy, which proxies', floor, micros(id, 'Envoy'))];
  });
  const lines = [...line("Weft's handshake with a ticket beside Envoy's full one", micros('handshake-ticket', 'Weft'), micros('handshake', 'Envoy')), ...floors];
  return lines.length === 0 ? [] : ['', ...lines];
}
