import { check, formatPath, type Result, type Schema } from '#crds';
import type { Injection } from '../patch/types.ts';

/** What we read of an AdmissionReview's request (admission.k8s.io/v1). */
export interface ReviewRequest {
  readonly uid: string;
  readonly namespace: string;
  /** Not checked: `injectionFor` does. */
  readonly object: unknown;
}

const kind: Schema = { type: 'object', properties: { group: { type: 'string', const: '', default: '' }, version: { type: 'string', const: 'v1' }, kind: { type: 'string', const: 'Pod' } }, required: ['version', 'kind'] };
const review: Schema = {
  type: 'object',
  properties: {
    apiVersion: { type: 'string', const: 'admission.k8s.io/v1' },
    kind: { type: 'string', const: 'AdmissionReview' },
    request: {
      type: 'object',
      properties: {
        uid: { type: 'string', minLength: 1, maxLength: 128 },
        kind,
        operation: { type: 'string', const: 'CREATE' },
        namespace: { type: 'string', minLength: 1, maxLength: 63 },
        object: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      },
      required: ['uid', 'kind', 'operation', 'namespace', 'object'],
    },
  },
  required: ['apiVersion', 'kind', 'request'],
};

/** The request of an AdmissionReview that is about the creation of a Pod; anything else was sent here by mistake. */
export function decodeReview(body: string): Result<ReviewRequest, string> {
  let raw: unknown;
  try {
    raw = JSON.parse(body);
  } catch (error) {
    return { ok: false, error: `no JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
  const { errors } = check(review, raw, 'leave-out');
  const first = errors[0];
  if (first !== undefined) return { ok: false, error: `${formatPath(first.path) || 'the review'}: ${first.message}` };
  return { ok: true, value: (raw as { readonly request: ReviewRequest }).request };
}

/** Of a message, as a user sees it from `kubectl`. */
const maxMessage = 2000;

/** The API server's answer. A refusal is the user's to mend, so it is 422 (Invalid) and never an error of the webhook. */
export function encodeReview(uid: string, injection: Injection): string {
  return JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid, ...verdict(injection) } });
}

function verdict(injection: Injection): object {
  switch (injection.kind) {
    case 'skip':
      return { allowed: true, auditAnnotations: { injection: injection.reason } };
    case 'patch':
      return { allowed: true, patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(injection.operations), 'utf8').toString('base64') };
    case 'refuse':
      return { allowed: false, status: { code: 422, reason: 'Invalid', message: injection.message.slice(0, maxMessage) } };
  }
}
