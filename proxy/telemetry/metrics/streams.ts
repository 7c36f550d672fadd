const singles = ['active', 'completed', 'failed', 'bytesIn', 'bytesOut', 'datagramsIn', 'datagramsOut'] as const;
export type StreamNumber = (typeof singles)[number];

const place = Object.fromEntries(singles.map((name, index) => [name, index])) as Readonly<Record<StreamNumber, number>>;

export interface StreamTotals {
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Of UDP. */
  readonly datagramsIn?: number;
  readonly datagramsOut?: number;
}

/** Numbers of connections whose bytes pass as they are, and of UDP flows, by series. Few series carry any. */
export class StreamNumbers {
  readonly #cells = new Map<number, Float64Array>();

  /** Each needs its `ended`. */
  began(series: number): void {
    this.#of(series)[place.active]!++;
  }

  /** One that `began` is not to be counted after all. */
  forgetOne(series: number): void {
    this.#of(series)[place.active]!--;
  }

  ended(series: number, result: 'completed' | 'failed', totals: StreamTotals): void {
    const cells = this.#of(series);
    cells[place.active]!--;
    cells[place[result]]!++;
    cells[place.bytesIn]! += totals.bytesIn;
    cells[place.bytesOut]! += totals.bytesOut;
    cells[place.datagramsIn]! += totals.datagramsIn ?? 0;
    cells[place.datagramsOut]! += totals.datagramsOut ?? 0;
  }

  has(series: number): boolean {
    return this.#cells.has(series);
  }

  get(series: number, name: StreamNumber): number {
    return this.#cells.get(series)?.[place[name]] ?? 0;
  }

  /** The series is another's from now on. */
  forget(series: number): void {
    this.#cells.delete(series);
  }

  #of(series: number): Float64Array {
    let cells = this.#cells.get(series);
    if (cells === undefined) this.#cells.set(series, (cells = new Float64Array(singles.length)));
    return cells;
  }
}
