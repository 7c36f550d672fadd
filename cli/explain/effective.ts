import type { SettledPath, Translation } from '#controller';
import { defaultLimits, retrySettings, timeoutSettings } from '#proxy';
import type { LostField } from '#policy';
import type { EffectivePolicy } from '#snapshot';
import type { Answer } from './answer.ts';

/** What somebody wrote for a path of the request and somebody else decided: of `weft policy`, each once. */
function lostFields(translation: Translation, answer: Answer, clientNamespace: string | undefined): readonly LostField[] {
  const { listener, service, rule } = answer;
  const isHere = ({ via, route, rule: one, backend }: SettledPath): boolean => {
    const enters = via.kind === 'gateway' ? listener?.gateway.namespace === via.gateway.namespace && listener.gateway.name === via.gateway.name && listener.name === via.listener : service?.namespace === via.service.namespace && service.name === via.service.name && service.port === via.port;
    const sends = backend === undefined ? answer.backends.length === 0 : answer.backends.some(({ namespace, name, port, weight }) => weight > 0 && namespace === backend.namespace && name === backend.name && port === backend.port);
    return enters && sends && route?.kind === answer.route?.kind && route?.namespace === answer.route?.namespace && route?.name === answer.route?.name && (rule === undefined || one?.index === rule.index);
  };
  const paths = clientNamespace === undefined ? translation.paths.all() : translation.paths.from(clientNamespace);
  return [...new Map(paths.filter(isHere).flatMap(({ settled }) => settled.lost.map((field) => [JSON.stringify(field), field] as const))).values()];
}

/** The answer with what was written for it in vain. `clientNamespace`: of what comes from a workload. */
export function withLost(translation: Translation, answer: Answer, clientNamespace: string | undefined): Answer {
  const lost = answer.outcome === 'forward' ? lostFields(translation, answer, clientNamespace) : [];
  return lost.length === 0 ? answer : { ...answer, lost };
}

/** What the data plane takes for fields that nobody has set, by field; of its own settings, so that it can't disagree with them. */
export function builtIn(policy: EffectivePolicy, way: Pick<Answer, 'protocol' | 'listener'>): Readonly<Record<string, unknown>> {
  const fields = way.protocol === undefined ? ofRequests(policy) : ofStreams(policy, way);
  return Object.fromEntries(Object.entries(fields).filter(([field]) => policy.origins[field] === undefined));
}

function ofRequests(policy: EffectivePolicy): Readonly<Record<string, unknown>> {
  const retry = retrySettings(policy);
  const timeouts = timeoutSettings(policy);
  return {
    ...(retry && {
      'retry.maxRetries': retry.maxRetries,
      'retry.retryOn.conditions': [...retry.conditions],
      'retry.methods': [...retry.methods],
      'retry.backoff.base': time(retry.backoffBase),
      'retry.backoff.max': time(retry.backoffMax),
      'retry.respectRetryAfter': retry.respectRetryAfter,
      'retry.maxBufferedBodyBytes': retry.maxBufferedBodyBytes,
      'retry.budget.percent': retry.budget.percent,
      'retry.budget.interval': time(retry.budget.interval),
      'retry.budget.minPerSecond': retry.budget.minPerSecond,
    }),
    'timeouts.connect': time(timeouts.connect),
    'timeouts.streamIdle': time(timeouts.streamIdle),
  };
}

/** In the mesh a connection may be silent for as long as it likes. */
function ofStreams(policy: EffectivePolicy, { protocol, listener }: Pick<Answer, 'protocol' | 'listener'>): Readonly<Record<string, unknown>> {
  if (protocol === 'udp') return { 'timeouts.streamIdle': time(defaultLimits.udpIdleMs) };
  const connect = { 'timeouts.connect': time(timeoutSettings(policy).connect) };
  return listener === undefined ? connect : { ...connect, 'timeouts.streamIdle': time(defaultLimits.streamConnectionIdleMs) };
}

function time(milliseconds: number): string {
  return milliseconds % 1000 === 0 ? `${milliseconds / 1000}s` : `${milliseconds}ms`;
}
