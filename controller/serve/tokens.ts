import { streamAudience } from '#snapshot';
import { fieldsOf, reasonOf, type KubeApi } from '../kube/types.ts';

/** Whose token it is, as the API server says. */
export interface Bearer {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly pod: string;
  readonly podUid: string;
}

export type Reviewed = { readonly ok: true; readonly bearer: Bearer } | { readonly ok: false; readonly reason: string; readonly retryable: boolean };

const account = /^system:serviceaccount:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253})$/;

/**
 * Asks the API server (TokenReview) whose token this is. Good are only tokens of service accounts, made for our audience and bound to
 * a Pod that still exists; a token for another audience, or a long-lived one, is refused.
 */
export async function reviewToken(api: KubeApi, token: string, signal: AbortSignal): Promise<Reviewed> {
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences: [streamAudience] } };
  let answer;
  try {
    answer = await api.send({ method: 'POST', path: '/apis/authentication.k8s.io/v1/tokenreviews', body, signal, timeoutMs: 5000 });
  } catch (error) {
    return { ok: false, reason: `the token could not be reviewed: ${error instanceof Error ? error.message : String(error)}`, retryable: true };
  }
  if (answer.status !== 201 && answer.status !== 200) return { ok: false, reason: `the token could not be reviewed: ${answer.status} ${reasonOf(answer.body)}`, retryable: true };
  const { authenticated, audiences, user, error } = fieldsOf(fieldsOf(answer.body)['status']);
  const refuse = (reason: string): Reviewed => ({ ok: false, reason, retryable: false });
  if (authenticated !== true) return refuse(`the token is not valid${typeof error === 'string' && error !== '' ? `: ${error.slice(0, 200)}` : ''}`);
  // A server that knows nothing of audiences leaves the list out; then the token was never checked for ours.
  if (!Array.isArray(audiences) || !audiences.includes(streamAudience)) return refuse(`the token is not for the audience ${streamAudience}`);
  const { username, extra } = fieldsOf(user);
  const [, namespace, serviceAccount] = account.exec(String(username)) ?? [];
  const pod = single(fieldsOf(extra)['authentication.kubernetes.io/pod-name']);
  const podUid = single(fieldsOf(extra)['authentication.kubernetes.io/pod-uid']);
  if (namespace === undefined || serviceAccount === undefined) return refuse('the token is not that of a service account');
  if (pod === undefined || podUid === undefined) return refuse('the token is not bound to a Pod');
  return { ok: true, bearer: { namespace, serviceAccount, pod, podUid } };
}

function single(value: unknown): string | undefined {
  return Array.isArray(value) && value.length === 1 && typeof value[0] === 'string' && value[0] !== '' ? value[0] : undefined;
}
