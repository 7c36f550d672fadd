import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { KindHealth } from '../source/kube/index.ts';

/** What the metrics are read from when somebody asks. */
export interface Readings {
  kinds(): readonly KindHealth[];
  leads(): boolean;
  proxies(): { readonly connected: number; readonly current: number };
  problems(): { readonly error: number; readonly warning: number };
}

export interface ControllerMetrics {
  translated(seconds: number): void;
  statusAnswered(status: number): void;
  refused(): void;
  render(): Promise<{ readonly type: string; readonly text: string }>;
}

export function createMetrics(readings: Readings): ControllerMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const translations = new Histogram({ name: 'weft_controller_translation_seconds', help: 'Time from a state of the cluster to statuses and snapshots', buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2], registers });
  const writes = new Counter({ name: 'weft_controller_status_writes_total', help: 'Answers of the API server to status writes', labelNames: ['code'], registers });
  const refusals = new Counter({ name: 'weft_controller_stream_refusals_total', help: 'Connections of proxies that were refused', registers });
  const gauge = (name: string, help: string, collect: (set: (labels: Record<string, string>, value: number) => void) => void, labelNames: string[] = []): unknown =>
    new Gauge({
      name: `weft_controller_${name}`,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        collect((labels, value) => this.set(labels, value));
      },
    });
  gauge('leader', '1 where this replica writes statuses', (set) => set({}, Number(readings.leads())));
  gauge('proxies', 'Proxies connected to this replica', (set) => set({}, readings.proxies().connected));
  gauge('proxies_current', 'Of these, those that serve the newest configuration', (set) => set({}, readings.proxies().current));
  gauge('problems', 'Faults in objects', (set) => Object.entries(readings.problems()).map(([severity, value]) => set({ severity }, value)), ['severity']);
  gauge('source_objects', 'Objects known of each kind', (set) => readings.kinds().map(({ kind, objects }) => set({ kind }, objects)), ['kind']);
  gauge('source_failing', '1 while a kind can not be read', (set) => readings.kinds().map(({ kind, failure }) => set({ kind }, Number(failure !== undefined))), ['kind']);
  return {
    translated: (seconds) => translations.observe(seconds),
    statusAnswered: (status) => writes.inc({ code: String(status) }),
    refused: () => refusals.inc(),
    render: async () => ({ type: registry.contentType, text: await registry.metrics() }),
  };
}
