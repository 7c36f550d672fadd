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
