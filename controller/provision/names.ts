import { createHash } from 'node:crypto';
import { controllerName, gatewayGroup } from '../names.ts';

/** Labels of everything that is made for a Gateway (GEP-1762). */
export const gatewayNameLabel = `${gatewayGroup}/gateway-name`;
export const gatewayClassLabel = `${gatewayGroup}/gateway-class-name`;
export const managedByLabel = 'app.kubernetes.io/managed-by';
/** Value of `managedByLabel`; an object without it is somebody else's. */
export const manager = controllerName.split('/')[0] ?? controllerName;
/** The whole name, which a label has no room for. */
export const gatewayAnnotation = 'weft-mesh.io/gateway';

const longest = 63;
const hashLength = 8;

/** A name as the value of a label: itself, or where it is too long its beginning and a hash. */
export function labelValue(name: string): string {
  return name.length <= longest ? name : `${name.slice(0, longest - hashLength - 1).replace(/[^a-z0-9]+$/, '')}-${hash(name)}`;
}

/** Name of the objects: a DNS label that begins with a letter, as a Service's must be. Different for different Gateways of a namespace. */
export function objectName(gateway: string, gatewayClass: string): string {
  const plain = `${gateway}-${gatewayClass}`;
  if (plain.length <= longest && /^[a-z][-a-z0-9]*$/.test(plain)) return plain;
  const letters = `g-${gateway}`.replaceAll('.', '-');
  return `${(/^[a-z]/.test(gateway) ? letters.slice(2) : letters).slice(0, longest - hashLength - 1).replace(/-+$/, '')}-${hash(plain)}`;
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, hashLength);
}
