/** A part of Kubernetes' resource quantities: no sign, no exponent. */
export const quantityPattern = '^[0-9]{1,15}(\\.[0-9]{1,9})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$';

const form = /^([0-9]{1,15}(?:\.[0-9]{1,9})?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/;

const factors: Readonly<Record<string, number>> = {
  m: 0.001,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** Cores or bytes; undefined for what is no quantity. */
export function quantityOf(text: string): number | undefined {
  const match = form.exec(text);
  if (match === null) return undefined;
  return Number(match[1]) * (match[2] === undefined ? 1 : factors[match[2]]!);
}

interface Amounts {
  readonly requests?: { readonly cpu?: string; readonly memory?: string };
  readonly limits?: { readonly cpu?: string; readonly memory?: string };
}

/** What is asked for beyond its own limit, which the API server refuses; undefined where all is within. */
export function beyondLimit({ requests = {}, limits = {} }: Amounts): { readonly unit: 'cpu' | 'memory'; readonly request: string; readonly limit: string } | undefined {
  for (const unit of ['cpu', 'memory'] as const) {
    const [request, limit] = [requests[unit], limits[unit]];
    if (request !== undefined && limit !== undefined && quantityOf(request)! > quantityOf(limit)!) return { unit, request, limit };
  }
  return undefined;
}
